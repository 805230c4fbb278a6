//! What runs on the nodes: pushes by curl, the one that stops a collector, and the one that watches it.

use std::time::Duration;

use crate::cluster::Node;
use crate::e2e::stories::user::service_address;
use crate::e2e::world::{HOST, PASSWORD, World, await_that};
use crate::failure::{Failure, Result};

const HOME: &str = "/run/kreg-story-gc";

/// Functions for the scripts. `$T` is a directory of the script's own.
const LIBRARY: &str = r#"
curl_() { curl --silent --max-time 20 --config "$HOME_/login" --resolve "$HOST:$ADDRESS" \
  --cacert "/etc/containerd/certs.d/$HOST/ca.crt" "$@" || true; }
# METHOD PATH [ARGUMENTS...]: prints the code of the answer
call() { curl_ --output /dev/null --write-out '%{http_code}' --request "$1" "https://$HOST$2" "${@:3}"; }
digest() { echo "sha256:$(sha256sum < "$1" | cut -d' ' -f1)"; }
# REPOSITORY FILE: a client that knows that the blob is there does not upload it
blob() {
  local digest location; digest=$(digest "$2")
  [ "$(curl_ --head --output /dev/null --write-out '%{http_code}' "https://$HOST/v2/$1/blobs/$digest")" = 200 ] && return 0
  location=$(curl_ --request POST --output /dev/null --dump-header - "https://$HOST/v2/$1/blobs/uploads/" |
    tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
  [ -n "$location" ] || return 1
  [ "$(curl_ --output /dev/null --write-out '%{http_code}' --request PUT --header 'Content-Type: application/octet-stream' \
    --data-binary "@$2" "$location&digest=$digest")" = 201 ]
}
# MEDIA-TYPE FILE
descriptor() { printf '{"mediaType":"%s","digest":"%s","size":%s}' "$1" "$(digest "$2")" "$(stat -c %s "$2")"; }
# REPOSITORY TAG|"" MEDIA-TYPE FILE
manifest() {
  [ "$(call PUT "/v2/$1/manifests/${2:-$(digest "$4")}" --header "Content-Type: $3" --data-binary "@$4")" = 201 ]
}
OCI=application/vnd.oci.image
# REPOSITORY TAG|"" FILE-FOR-THE-MANIFEST MORE-OF-THE-MANIFEST LAYERS...
image() {
  local repository=$1 tag=$2 to=$3 more=$4 layers= file; shift 4
  printf '{"architecture":"amd64","os":"linux","note":"%s"}' "$RANDOM$RANDOM$RANDOM" > "$T/config"
  blob "$repository" "$T/config" || return 1
  for file; do
    blob "$repository" "$file" || return 1
    layers+=${layers:+,}$(descriptor $OCI.layer.v1.tar+gzip "$file")
  done
  printf '{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s]%s}' $OCI.manifest.v1+json \
    "$(descriptor $OCI.config.v1+json "$T/config")" "$layers" "$more" > "$to"
  manifest "$repository" "$tag" $OCI.manifest.v1+json "$to"
}
# Processes that collect: not the dry runs. The pattern must not match itself.
collectors() { grep -lzx 'garbage-[c]ollect' /proc/[0-9]*/cmdline 2>/dev/null | xargs -r grep -Lzxe '--dry-run' 2>/dev/null | cut -d/ -f3; }
"#;

/// One layer after another becomes garbage, and is pushed again.
const PUSH: &str = r#"
last= i=0
while [ ! -e "$HOME_/stop" ]; do
  i=$((i + 1)); head -c 3000 /dev/urandom > "$T/own"
  if image "pushed-$1" "$i" "$T/manifest" '' "$HOME_/shared/$((i % 5))" "$HOME_/shared/$(((i + $1) % 5))" "$T/own"; then
    echo pushed >> "$T/log"
    [ -z "$last" ] || call DELETE "/v2/pushed-$1/manifests/$last" > /dev/null
    last=$(digest "$T/manifest")
  else
    echo refused >> "$T/log"; sleep 0.2
  fi
done
"#;

/// The collector reads each manifest: of many it takes so long that it can be stopped half way.
const FIXED: &str = r#"
for n in $(seq 30); do image many "$n" "$T/manifest" '' "$HOME_/shared/0"; done
for n in 1 2; do
  head -c 5000 /dev/urandom > "$T/layer"
  image fixed '' "$T/child-$n" '' "$HOME_/shared/0" "$T/layer"
done
printf '{"schemaVersion":2,"mediaType":"%s","manifests":[%s,%s]}' $OCI.index.v1+json \
  "$(descriptor $OCI.manifest.v1+json "$T/child-1")" "$(descriptor $OCI.manifest.v1+json "$T/child-2")" > "$T/index"
manifest fixed latest $OCI.index.v1+json "$T/index"
head -c 2000 /dev/urandom > "$T/signature"
image fixed '' "$T/referrer" ",\"subject\":$(descriptor $OCI.index.v1+json "$T/index")" "$T/signature"
"#;

const GARBAGE: &str = r#"
head -c 2000 /dev/urandom > "$T/layer"
image garbage 1 "$T/manifest" '' "$T/layer"
[ "$(call DELETE "/v2/garbage/manifests/$(digest "$T/manifest")")" = 202 ]
"#;

const STOP_COLLECTOR: &str = r#"
[ ! -s "$T/process" ] || kill "$(cat "$T/process")" 2>/dev/null || true
echo $$ > "$T/process"
while [ ! -e "$HOME_/stop-collector" ]; do
  for process in $(collectors); do
    kill -STOP "$process" && echo "$process" > "$HOME_/stopped" && exit 0
  done
done
"#;

/// First a push is tried, then the processes are looked at: one that is seen then was there when the push was answered.
const WATCH: &str = r#"
while [ ! -e "$HOME_/stop" ]; do
  code=$(call POST /v2/watched/blobs/uploads/)
  echo "$code $(collectors | wc -l)" >> "$T/seen"
done
"#;

/// Layers that all pushers share, on every node.
pub(super) fn prepare(world: &World) -> Result<()> {
    let address = service_address(world)?;
    for node in &world.cluster.nodes {
        let script = format!(
            "rm -rf {HOME}; mkdir -p {HOME}/shared; cd {HOME}; umask 077\n\
             printf 'user = \"kreg:{PASSWORD}\"\\n' > login\n\
             for n in 0 1 2 3 4; do for _ in $(seq 2000); do echo layer $n; done > shared/$n; done\n\
             cat > library <<'END'\nHOME_={HOME} HOST={HOST} ADDRESS={address}\n{LIBRARY}\nEND"
        );
        world.on(node, &script).good()?;
    }
    Ok(())
}

/// Ends what runs on the nodes, a stopped collector too.
pub(super) fn clean(world: &World) -> Result<()> {
    for node in &world.cluster.nodes {
        let script = format!(
            "[ -e {HOME} ] || exit 0\ntouch {HOME}/stop {HOME}/stop-collector; sleep 1\n\
             if [ -s {HOME}/stopped ]; then kill -CONT $(cat {HOME}/stopped) 2>/dev/null || true; fi\nrm -rf {HOME}"
        );
        world.on(node, &script).good()?;
    }
    Ok(())
}

pub(super) fn fixed(world: &World) -> Result<()> {
    here(world, world.node(0)?, "fixed", FIXED)
}

/// An image is pushed and deleted: there is something to collect.
pub(super) fn garbage(world: &World) -> Result<()> {
    here(world, world.node(0)?, "garbage", GARBAGE)
}

/// From now on the first collector on any node stops half way.
pub(super) fn stop_next_collector(world: &World) -> Result<()> {
    for node in &world.cluster.nodes {
        let forget = format!("rm -f {HOME}/stopped {HOME}/stop-collector {HOME}/stop");
        world.on(node, &forget).good()?;
        beside(world, node, "stopper", STOP_COLLECTOR, "")?;
    }
    Ok(())
}

/// The node on which one was stopped.
pub(super) fn stopped(world: &World) -> Result<Option<&Node>> {
    for node in &world.cluster.nodes {
        let script = format!("if [ -s {HOME}/stopped ]; then echo yes; fi");
        if world.on(node, &script).read()? == "yes" {
            for other in &world.cluster.nodes {
                world
                    .on(other, &format!("touch {HOME}/stop-collector"))
                    .good()?;
            }
            return Ok(Some(node));
        }
    }
    Ok(None)
}

/// How many collectors are there, the stopped one too.
pub(super) fn collectors(world: &World, node: &Node) -> Result<usize> {
    let script = format!(". {HOME}/library; set +eo pipefail; collectors | wc -l");
    Ok(world.on(node, &script).read()?.parse().unwrap_or(0))
}

/// Images pushed again and again, from a node.
pub(super) struct Pusher(&'static str);

impl Pusher {
    pub(super) fn start(world: &World, name: &'static str) -> Result<Self> {
        beside(world, world.node(0)?, &format!("pusher-{name}"), PUSH, name)?;
        Ok(Self(name))
    }

    /// How many images it has pushed.
    pub(super) fn pushed(&self, world: &World) -> Result<usize> {
        self.count(world, "pushed")
    }

    fn count(&self, world: &World, word: &str) -> Result<usize> {
        let script = format!("grep -c {word} {HOME}/pusher-{}/log || true", self.0);
        let told = world.on(world.node(0)?, &script).read()?;
        Ok(told.parse().unwrap_or(0))
    }

    /// Ends it; fails unless some of its pushes were refused and more were taken.
    pub(super) fn stop(&self, world: &World) -> Result<()> {
        world
            .on(world.node(0)?, &format!("touch {HOME}/stop; sleep 5"))
            .good()?;
        let (pushed, refused) = (self.count(world, "pushed")?, self.count(world, "refused")?);
        match refused > 0 {
            true => Ok(()),
            false => Err(Failure::new(
                "see pushes refused",
                format!("{pushed} taken, none refused"),
            )),
        }
    }
}

/// Tries pushes again and again, and says whether a collector is there.
pub(super) struct Watcher<'a>(&'a Node);

/// For each answer: its code, and how many collectors were there after it.
pub(super) struct Seen(Vec<(String, usize)>);

impl<'a> Watcher<'a> {
    pub(super) fn start(world: &World, node: &'a Node) -> Result<Self> {
        world.on(node, &format!("rm -rf {HOME}/watcher")).good()?;
        beside(world, node, "watcher", WATCH, "")?;
        let seen = Self(node);
        await_that(
            "the collector is seen, and a push refused",
            Duration::from_secs(60),
            || {
                let lines = seen.lines(world)?;
                Ok(
                    match lines
                        .iter()
                        .any(|(code, count)| code == "405" && *count > 0)
                    {
                        true => Ok(()),
                        false => Err(format!("{lines:?}")),
                    },
                )
            },
        )?;
        Ok(seen)
    }

    /// Waits until a push is taken, and ends it.
    pub(super) fn stop(self, world: &World) -> Result<Seen> {
        let taken = |lines: &[(String, usize)]| lines.iter().any(|(code, _)| code == "202");
        await_that("pushes are taken again", Duration::from_secs(60), || {
            let lines = self.lines(world)?;
            Ok(match taken(&lines) {
                true => Ok(()),
                false => Err(format!("{:?}", lines.last())),
            })
        })?;
        world
            .on(self.0, &format!("touch {HOME}/stop; sleep 1"))
            .good()?;
        self.lines(world).map(Seen)
    }

    fn lines(&self, world: &World) -> Result<Vec<(String, usize)>> {
        let told = world
            .on(
                self.0,
                &format!("cat {HOME}/watcher/seen 2>/dev/null || true"),
            )
            .read()?;
        let line = |line: &str| {
            let (code, count) = line.split_once(' ')?;
            Some((code.to_owned(), count.parse().ok()?))
        };
        Ok(told.lines().filter_map(line).collect())
    }
}

impl Seen {
    /// No push was taken while a collector was there.
    pub(super) fn verdict(&self) -> std::result::Result<(), String> {
        let beside = |(code, count): &&(String, usize)| code == "202" && *count > 0;
        match self.0.iter().filter(beside).count() {
            0 => Ok(()),
            some => Err(format!(
                "{some} of {} pushes were taken beside a collector",
                self.0.len()
            )),
        }
    }
}

fn here(world: &World, node: &Node, name: &str, script: &str) -> Result<()> {
    let all = format!(". {HOME}/library; T={HOME}/{name}; mkdir -p $T\n{script}");
    world.on(node, &all).good().map(drop)
}

fn beside(world: &World, node: &Node, name: &str, script: &str, argument: &str) -> Result<()> {
    let all = format!(
        "mkdir -p {HOME}/{name}\ncat > {HOME}/{name}/script <<'END'\n. {HOME}/library; T={HOME}/{name}\n{script}\nEND\n\
         setsid bash {HOME}/{name}/script {argument} </dev/null >/dev/null 2>&1 &"
    );
    world.on(node, &all).good().map(drop)
}

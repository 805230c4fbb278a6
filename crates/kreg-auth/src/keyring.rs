//! Which pull secret entry the kubelet uses for an image.
//!
//! The rules of Kubernetes' `pkg/credentialprovider/keyring.go` (`BasicDockerKeyring`,
//! `URLsMatch`) and of the parts of Go's `net/url` and `net` that it leans on.

/// Docker Hub's key once the kubelet has taken `https://` and `/v1/` off.
pub(crate) const DOCKER_HUB_KEY: &str = "index.docker.io";

/// Whether the kubelet would use the entry under `key` of a pull secret for `image`.
///
/// Scheme and a leading `/v1/` or `/v2/` of the key do not count. Then: the **port must be
/// written alike** (`r.example` does not match an image at `r.example:443`), the host has the
/// same number of dot-separated labels, each equal or matched by `*` within the label, and the
/// key's path is a **prefix** of the image's, letter by letter: `r:5000/team` also matches
/// `r:5000/teamwork/app`. A key that Go cannot parse matches nothing, and so does an IPv6
/// address without a port (the kubelet takes its brackets for a pattern).
///
/// The image is looked up under its full name, `nginx` as `docker.io/library/nginx`.
/// Docker Hub's fallback (`https://index.docker.io/v1/` for images without a registry) is in
/// [`PullSecret::credentials_for`](crate::PullSecret::credentials_for).
///
/// ```
/// use kreg_auth::key_matches_image;
/// assert!(key_matches_image("docker-registry:5000", "docker-registry:5000/team/app:v1"));
/// assert!(!key_matches_image("docker-registry", "docker-registry:5000/team/app:v1"));
/// assert!(key_matches_image("https://*.example.com/v2/", "eu.example.com/app"));
/// ```
#[must_use]
pub fn key_matches_image(key: &str, image: &str) -> bool {
    match index_key(key) {
        Some(key) => urls_match(&key, &crate::image::repository(image)),
        None => false,
    }
}

/// The form under which the kubelet files a key, or nothing if it skips the key.
pub(crate) fn index_key(key: &str) -> Option<String> {
    let schemeless = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"));
    let location = Location::parse(schemeless.unwrap_or(key))?;
    let path = match location.path.get(..4) {
        Some("/v1/" | "/v2/") => &location.path[3..],
        _ => &location.path,
    };
    let path = if path == "/" { "" } else { path };
    Some(format!("{}{path}", location.host))
}

/// Kubernetes' `URLsMatchStr`.
pub(crate) fn urls_match(glob: &str, target: &str) -> bool {
    let (Some(glob), Some(target)) = (Location::parse(glob), Location::parse(target)) else {
        return false;
    };
    let ((glob_name, glob_port), (name, port)) = (glob.split_host(), target.split_host());
    // `[fd00::10]` is a class of single characters to filepath.Match, which no address is.
    if glob_port != port || glob_name.starts_with('[') {
        return false;
    }
    let (globs, labels) = (glob_name.split('.'), name.split('.'));
    globs.clone().count() == labels.clone().count()
        && target.path.starts_with(&glob.path)
        && globs
            .zip(labels)
            .all(|(glob, label)| label_matches(glob, label))
}

/// Kubernetes' `isDefaultRegistryMatch`: by the look of the first part, so that `localhost`
/// counts as Docker Hub too.
pub(crate) fn falls_back_to_docker_hub(repository: &str) -> bool {
    let first = repository.split('/').next().unwrap_or_default();
    first == "docker.io" || !first.is_empty() && !first.contains(['.', ':'])
}

/// Host (with port) and decoded path of a URL without scheme.
struct Location {
    host: String,
    path: String,
}

impl Location {
    /// Go's `url.Parse("https://" + text)`; nothing where that gives an error.
    fn parse(text: &str) -> Option<Location> {
        if text.contains(|c: char| c.is_ascii_control()) {
            return None;
        }
        let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
        percent_decode(fragment)?;
        let text = text.split('?').next().unwrap_or_default();
        let path_start = text.find('/').unwrap_or(text.len());
        let (authority, path) = text.split_at(path_start);
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        (is_go_host(host) && is_go_user(user)).then_some(())?;
        Some(Location {
            host: host.to_owned(),
            path: percent_decode(path)?,
        })
    }

    /// Go's `net.SplitHostPort`, with the whole host and no port where that gives an error.
    fn split_host(&self) -> (&str, &str) {
        let host = self.host.as_str();
        if let Some(rest) = host.strip_prefix('[') {
            return rest.split_once("]:").unwrap_or((host, ""));
        }
        host.split_once(':').unwrap_or((host, ""))
    }
}

/// What Go takes for a host: no characters that need escapes, a port of digits (or none after
/// the colon), brackets around an IPv6 address only.
fn is_go_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) => {
                let v6 = name.parse::<std::net::Ipv6Addr>().is_ok();
                return v6 && (port.is_empty() || port.strip_prefix(':').is_some_and(is_digits));
            }
            None => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) if is_digits(port) => name,
            Some(_) => return false,
            None => host,
        },
    };
    name.chars()
        .all(|c| !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=<>\"".contains(c))
}

/// Go's `validUserinfo`; the rest of it does not count.
fn is_go_user(user: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    user.chars().all(fits) && percent_decode(user).is_some()
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Nothing where an escape is broken. Bytes that are not UTF-8 cannot occur in an image's
/// path, so that losing them changes no answer.
fn percent_decode(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let (high, low) = (char::from(rest.next()?), char::from(rest.next()?));
            let value = high.to_digit(16)? * 16 + low.to_digit(16)?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// `*` stands for any characters of the label, also none; all else for itself.
fn label_matches(glob: &str, label: &str) -> bool {
    let Some((first, rest)) = glob.split_once('*') else {
        return glob == label;
    };
    let Some(mut label) = label.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match label.find(piece) {
            Some(at) => label = &label[at + piece.len()..],
            None => return false,
        }
    }
    label.ends_with(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_the_kubelet_matches() {
        for (key, image) in [
            ("docker-registry:5000", "docker-registry:5000/app:v1"),
            ("https://docker-registry:5000", "docker-registry:5000/app"),
            (
                "http://docker-registry:5000/v1/",
                "docker-registry:5000/app",
            ),
            ("docker-registry:5000/v2/", "docker-registry:5000/app"),
            ("docker-registry:5000/", "docker-registry:5000/app"),
            ("docker-registry:5000/team", "docker-registry:5000/team/app"),
            ("docker-registry:5000/team", "docker-registry:5000/teamwork"),
            ("*.example.com", "eu.example.com/app"),
            ("*.example.com", "bücher.example.com/app"),
            ("eu*-1.*.com", "eu-west-1.example.com/app"),
            ("*:5000", "docker-registry:5000/app"),
            ("docker.io", "nginx:1.27"),
            ("docker.io/library", "nginx"),
            ("[fd00::10]:5000", "[fd00::10]:5000/app"),
            ("10.96.0.*:5000", "10.96.0.10:5000/app"),
            ("r.example:", "r.example/app"),
            ("r.example/a%62c", "r.example/abc"),
            ("me@r.example", "r.example/app"),
        ] {
            assert!(key_matches_image(key, image), "{key} {image}");
        }
    }

    #[test]
    fn what_the_kubelet_does_not_match() {
        for (key, image) in [
            ("docker-registry", "docker-registry:5000/app"),
            ("docker-registry:5001", "docker-registry:5000/app"),
            ("docker-registry:5000/team", "docker-registry:5000/app"),
            ("docker-registry:5000/team/", "docker-registry:5000/team"),
            ("r.example:443", "r.example/app"),
            ("*.com", "eu.example.com/app"),
            ("*", "eu.example.com/app"),
            ("example.com", "eu.example.com/app"),
            ("r:*", "r:5000/app"),
            ("[fd00::10]", "[fd00::10]/app"),
            ("[fd00::*]:5000", "[fd00::10]:5000/app"),
            ("r.example/%zz", "r.example/app"),
            ("r example", "r.example/app"),
            ("HTTPS://r.example", "r.example/app"),
            ("index.docker.io", "nginx"),
            ("", "nginx"),
        ] {
            assert!(!key_matches_image(key, image), "{key} {image}");
        }
    }

    /// Says the same as `label_matches` by trying every split: slow, and plainly right.
    fn slow(glob: &[char], label: &[char]) -> bool {
        match glob.split_first() {
            None => label.is_empty(),
            Some(('*', rest)) => (0..=label.len()).any(|n| slow(rest, &label[n..])),
            Some((c, rest)) => label.first() == Some(c) && slow(rest, &label[1..]),
        }
    }

    proptest! {
        #[test]
        fn globs_match_as_by_trying_everything(glob in "[ab*]{0,8}", label in "[ab]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(label_matches(&glob, &label), slow(&chars(&glob), &chars(&label)));
        }

        #[test]
        fn no_input_panics(key in "\\PC{0,40}|[a-z0-9.:/%@*\\[\\]-]{0,40}", image in "\\PC{0,40}") {
            let _ = key_matches_image(&key, &image);
        }
    }
}

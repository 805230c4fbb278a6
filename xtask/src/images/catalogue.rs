//! The images that tests and clusters use.

use super::recipe::{Recipe, Source};
use crate::failure::Result;
use crate::parts;

/// distribution's registry, by Debian's version.
pub(crate) const REGISTRY: &str = "kreg.test/registry:2.8.2";
/// Debian 12 with sshd and sudo.
pub(crate) const SSHD: &str = "kreg.test/sshd:12";
/// Debian 12's nginx.
pub(crate) const NGINX: &str = "kreg.test/nginx:1.22";
/// Static busybox.
pub(crate) const BUSYBOX: &str = "kreg.test/busybox:1.35";

/// distribution's registry 3, by Go's version.
pub(crate) const REGISTRY_3: &str = "kreg.test/registry:3.1.2";
/// An S3 server.
pub(crate) const S3: &str = "kreg.test/s3:1.8";

/// Those that tests alone need, made of programs that are built for it.
pub(crate) fn for_tests() -> Result<Vec<Recipe>> {
    let busybox = || {
        Recipe::new(
            BUSYBOX,
            include_str!("../../assets/images/busybox/Dockerfile"),
        )
    };
    let mut recipes = vec![
        Recipe::new(
            REGISTRY_3,
            include_str!("../../assets/images/registry3/Dockerfile"),
        )
        .parent(busybox())
        .file("registry", Source::File(parts::registry()?))
        .text("config.yml", REGISTRY_CONFIG)
        .text("entrypoint.sh", REGISTRY_ENTRYPOINT),
        Recipe::new(S3, include_str!("../../assets/images/s3/Dockerfile"))
            .parent(busybox())
            .file("versitygw", Source::File(parts::s3_server()?))
            .text(
                "entrypoint.sh",
                include_str!("../../assets/images/s3/entrypoint.sh"),
            ),
    ];
    for release in RUNTIMES {
        recipes.push(runtimes(release)?);
    }
    for release in parts::Containerd::ALL {
        recipes.push(containerd(release)?);
    }
    Ok(recipes)
}

/// Releases of Debian by number; each has a generation of containerd: 1.6, 1.7, 2.1.
const RUNTIMES: [u32; 3] = [12, 13, 14];

/// The runtimes of a release of Debian: containerd, Docker, podman.
fn runtimes(release: u32) -> Result<Recipe> {
    // Newer ones do not start where there is no cgroup v2.
    let more = if release == 12 {
        "systemd systemd-sysv dbus"
    } else {
        ""
    };
    let dockerfile = include_str!("../../assets/images/runtimes/Dockerfile")
        .replace("@RELEASE@", &release.to_string())
        .replace("@MORE@", more);
    Ok(
        Recipe::new(format!("kreg.test/runtimes:{release}"), dockerfile)
            .file("crictl", Source::File(parts::crictl()?)),
    )
}

/// The machine of Debian 12 with another containerd: `kreg.test/runtimes:containerd-2.4.2`.
fn containerd(release: parts::Containerd) -> Result<Recipe> {
    let programs = release.build()?;
    let name = format!("kreg.test/runtimes:containerd-{}", release.version());
    let dockerfile = format!(
        "FROM kreg.test/runtimes:12\nCOPY {} /usr/bin/\n",
        parts::Containerd::PROGRAMS.join(" ")
    );
    let machine = Recipe::new(name, dockerfile).parent(runtimes(12)?);
    Ok(parts::Containerd::PROGRAMS
        .into_iter()
        .fold(machine, |machine, program| {
            machine.file(program, Source::File(programs.join(program)))
        }))
}

const REGISTRY_CONFIG: &str = include_str!("../../assets/images/registry/config.yml");
const REGISTRY_ENTRYPOINT: &str = include_str!("../../assets/images/registry/entrypoint.sh");

/// The others, in the order in which they are wanted most.
pub(crate) fn catalogue() -> Vec<Recipe> {
    vec![
        Recipe::new(
            REGISTRY,
            include_str!("../../assets/images/registry/Dockerfile"),
        )
        .text("config.yml", REGISTRY_CONFIG)
        .text("entrypoint.sh", REGISTRY_ENTRYPOINT),
        Recipe::new(SSHD, include_str!("../../assets/images/sshd/Dockerfile"))
            .text(
                "config.toml",
                include_str!("../../assets/images/sshd/config.toml"),
            )
            .text(
                "entrypoint.sh",
                include_str!("../../assets/images/sshd/entrypoint.sh"),
            ),
        Recipe::new(
            BUSYBOX,
            include_str!("../../assets/images/busybox/Dockerfile"),
        ),
        Recipe::new(NGINX, include_str!("../../assets/images/nginx/Dockerfile")),
    ]
}

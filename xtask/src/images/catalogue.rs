//! The images that tests and clusters use.

use super::recipe::Recipe;

/// distribution's registry, by Debian's version.
pub(crate) const REGISTRY: &str = "kreg.test/registry:2.8.2";
/// Debian 12 with sshd and sudo.
pub(crate) const SSHD: &str = "kreg.test/sshd:12";
/// Debian 12's nginx.
pub(crate) const NGINX: &str = "kreg.test/nginx:1.22";
/// Static busybox.
pub(crate) const BUSYBOX: &str = "kreg.test/busybox:1.35";

/// All of them, in the order in which they are wanted most.
pub(crate) fn catalogue() -> Vec<Recipe> {
    vec![
        Recipe::new(
            REGISTRY,
            include_str!("../../assets/images/registry/Dockerfile"),
        )
        .text(
            "config.yml",
            include_str!("../../assets/images/registry/config.yml"),
        )
        .text(
            "entrypoint.sh",
            include_str!("../../assets/images/registry/entrypoint.sh"),
        ),
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

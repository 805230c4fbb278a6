//! Programs that building and testing kreg needs, beside those of the cluster and its images.

use crate::failure::Result;
use crate::packages::{self, Tool, tool};

/// To build `kreg`: OpenSSL for libssh2, a C compiler for aws-lc.
pub(crate) const BUILD: &[Tool] = &[
    tool("cc", "gcc"),
    tool("make", "make"),
    tool("pkg-config", "pkg-config"),
    tool("/usr/include/openssl/ssl.h", "libssl-dev"),
];

/// Makes sure that `kreg` can be built, and returns the arguments that cargo then needs: where OpenSSL's
/// headers are missing and cannot be installed, OpenSSL itself is built too.
pub(crate) fn to_build() -> Result<&'static [&'static str]> {
    match packages::ensure(BUILD) {
        Err(_) if !packages::can_install() => {
            packages::ensure(&[
                tool("cc", "gcc"),
                tool("make", "make"),
                tool("perl", "perl"),
            ])?;
            Ok(&["--features", "kreg-nodes/vendored-openssl"])
        }
        other => other.map(|()| [].as_slice()),
    }
}

/// To run its tests without Docker: shells that node programs must bear, other people's
/// programs that must agree with kreg's files, and proxies, which these packages do not start by themselves.
pub(crate) const TEST: &[Tool] = &[
    tool("/usr/sbin/apache2", "apache2-bin"),
    tool("bash", "bash"),
    tool("busybox", "busybox"),
    tool("dash", "dash"),
    tool("go", "golang-go"),
    tool("htpasswd", "apache2-utils"),
    tool("ip", "iproute2"),
    tool("microsocks", "microsocks"),
    tool("openssl", "openssl"),
    tool("qemu-aarch64-static", "qemu-user-static"),
    tool("shellcheck", "shellcheck"),
    tool("setpriv", "util-linux"),
    tool("ssh-keygen", "openssh-client"),
    tool("unshare", "util-linux"),
];

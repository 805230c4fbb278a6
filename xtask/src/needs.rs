//! Programs that building and testing kreg needs, beside those of the cluster and its images.

use crate::packages::{Tool, tool};

/// To build `kreg`: OpenSSL for libssh2, a C compiler for aws-lc.
pub(crate) const BUILD: &[Tool] = &[
    tool("cc", "gcc"),
    tool("make", "make"),
    tool("pkg-config", "pkg-config"),
    tool("/usr/include/openssl/ssl.h", "libssl-dev"),
];

/// To run its tests without Docker: shells that node programs must bear, and other people's
/// programs that must agree with kreg's files.
pub(crate) const TEST: &[Tool] = &[
    tool("bash", "bash"),
    tool("busybox", "busybox"),
    tool("dash", "dash"),
    tool("go", "golang-go"),
    tool("htpasswd", "apache2-utils"),
    tool("openssl", "openssl"),
    tool("qemu-aarch64-static", "qemu-user-static"),
    tool("shellcheck", "shellcheck"),
    tool("ssh-keygen", "openssh-client"),
];

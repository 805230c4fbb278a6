//! One file a command.

pub(crate) mod admit;
pub(crate) mod cert;
pub(crate) mod docs;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod export;
pub(crate) mod gc;
pub(crate) mod init;
pub(crate) mod nodes;
pub(crate) mod plan;
pub(crate) mod script;
pub(crate) mod secret;
pub(crate) mod status;
pub(crate) mod tunnel;
pub(crate) mod up;
pub(crate) mod user;
pub(crate) mod verify;

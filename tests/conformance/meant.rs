//! Every difference between our packages and kbuild's that is meant, with its reason.

use super::difference::Meant;
#[allow(unused_imports)]
use super::difference::Side::{Both, Ours, Theirs};

pub const DEB_IMAGE: [Meant; 0] = [];
pub const DEB_HEADERS: [Meant; 0] = [];
pub const DEB_LIBC_DEV: [Meant; 0] = [];
pub const RPM_IMAGE: [Meant; 0] = [];
pub const RPM_LIBC_DEV: [Meant; 0] = [];

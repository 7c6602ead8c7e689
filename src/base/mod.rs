//! The bottom layer: every layer above uses it, and it uses none of them.

pub mod archive;
pub mod cache_key;
pub mod confinement;
pub mod context;
pub mod debian;
pub mod digest;
pub mod download;
pub mod error;
pub mod events;
pub mod files;
pub mod http;
pub(crate) mod interruptible;
pub(crate) mod manifest;
pub mod openpgp;
pub mod options;
pub mod process;
pub mod program_name;
pub mod release;
pub mod sandbox;
pub mod stage_result;
pub mod stop;
pub mod store;
pub(crate) mod store_archives;
pub mod text;
pub(crate) mod text_schema;
pub mod x509;

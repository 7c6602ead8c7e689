//! Debian's own kernel, field by field.

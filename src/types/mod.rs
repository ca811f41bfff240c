//! Data structures: no clock, no config, no replies, no key names.

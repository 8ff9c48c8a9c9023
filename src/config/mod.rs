//! Configuration: text (a TOML file, `COUNTERSIGN__...` variables) to [`settings::Settings`], strictly.

pub mod settings;

//! syncline-plugin-carddav

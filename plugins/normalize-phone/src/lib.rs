//! syncline-plugin-normalize-phone

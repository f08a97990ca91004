//! syncline-plugin-hubspot

//! syncline-sandbox

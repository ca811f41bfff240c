//! Tests of users, rules and checks together.

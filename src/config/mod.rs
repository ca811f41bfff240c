//! The directives of redis.conf: one table, the file grammar, CONFIG GET/SET/REWRITE.

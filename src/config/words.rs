//! The enums of redis.conf: each a Rust enum with the words that name its values in files.
//!
//! Two words may name one value (`oom-score-adj yes` is `relative`); the first one is printed.

/// An enum whose values have names in redis.conf. `NAMES[i]` names `VALUES[i]`.
pub trait Word: Copy + PartialEq + 'static {
    const NAMES: &'static [&'static str];
    const VALUES: &'static [Self];
    /// The number of words that errors list: those of Redis, which come first.
    const LISTED: usize = Self::NAMES.len();

    /// The word for this value, as CONFIG GET prints it.
    fn word(self) -> &'static str {
        let index = Self::VALUES.iter().position(|value| *value == self);
        Self::NAMES[index.expect("every value of an enum of redis.conf has a word")]
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident),* } $($text:literal = $value:ident),*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($variant),* }
        impl Word for $name {
            const NAMES: &'static [&'static str] = &[$($text),*];
            const VALUES: &'static [Self] = &[$(Self::$value),*];
        }
        words!(@default $name);
    };
    // The words after the semicolon are taken, but errors do not list them.
    ($(#[$doc:meta])* $name:ident { $($variant:ident),* } $($text:literal = $value:ident),*;
     $($unlisted:literal = $other:ident),*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($variant),* }
        impl Word for $name {
            const NAMES: &'static [&'static str] = &[$($text,)* $($unlisted),*];
            const VALUES: &'static [Self] = &[$(Self::$value,)* $(Self::$other),*];
            const LISTED: usize = [$($text),*].len();
        }
        words!(@default $name);
    };
    (@default $name:ident) => {
        impl Default for $name {
            fn default() -> Self { Self::VALUES[0] }
        }
    };
}

words!(
    /// The least important level that is still logged.
    LogLevel { Debug, Verbose, Notice, Warning, Nothing }
    "debug" = Debug, "verbose" = Verbose, "notice" = Notice, "warning" = Warning,
    "nothing" = Nothing);
words!(
    /// The supervisor that starts the server and is notified when it is ready.
    Supervised { Upstart, Systemd, Auto, No }
    "upstart" = Upstart, "systemd" = Systemd, "auto" = Auto, "no" = No);
words!(
    /// The facility of syslog lines.
    SyslogFacility { User, Local0, Local1, Local2, Local3, Local4, Local5, Local6, Local7 }
    "user" = User, "local0" = Local0, "local1" = Local1, "local2" = Local2, "local3" = Local3,
    "local4" = Local4, "local5" = Local5, "local6" = Local6, "local7" = Local7);
words!(
    /// The time at which the AOF is synced to disk.
    AppendFsync { EverySec, Always, No }
    "everysec" = EverySec, "always" = Always, "no" = No);
words!(
    /// The clients whose RESTORE payloads, and the RDB files, that are checked deeply.
    SanitizeDump { No, Yes, Clients }
    "no" = No, "yes" = Yes, "clients" = Clients);
words!(
    /// Which keys may be evicted, and in what order.
    MaxmemoryPolicy {
        VolatileLru, VolatileLfu, VolatileRandom, VolatileTtl, VolatileLrm, AllkeysLru, AllkeysLfu,
        AllkeysRandom, AllkeysLrm, NoEviction
    }
    "volatile-lru" = VolatileLru, "volatile-lfu" = VolatileLfu, "volatile-random" = VolatileRandom,
    "volatile-ttl" = VolatileTtl, "volatile-lrm" = VolatileLrm, "allkeys-lru" = AllkeysLru,
    "allkeys-lfu" = AllkeysLfu, "allkeys-random" = AllkeysRandom, "allkeys-lrm" = AllkeysLrm,
    "noeviction" = NoEviction);
words!(
    /// The Pub/Sub channels of a user without rules about them.
    AclPubsubDefault { AllChannels, ResetChannels }
    "allchannels" = AllChannels, "resetchannels" = ResetChannels);
words!(
    /// The clients that may use a dangerous feature: none, all, or only local connections.
    Allowed { No, Yes, Local }
    "no" = No, "yes" = Yes, "local" = Local);
words!(
    /// The way in which the kernel's OOM score is set.
    OomScoreAdj { No, Relative, Absolute }
    "no" = No, "yes" = Relative, "relative" = Relative, "absolute" = Absolute);
words!(
    /// The action when a command from our primary or from the AOF fails.
    PropagationError { Ignore, Panic, PanicOnReplicas }
    "ignore" = Ignore, "panic" = Panic, "panic-on-replicas" = PanicOnReplicas);
words!(
    /// Whether a replica loads the RDB straight from the socket.
    ReplDisklessLoad { Disabled, OnEmptyDb, SwapDb, FlushDb }
    "disabled" = Disabled, "on-empty-db" = OnEmptyDb, "swapdb" = SwapDb, "flushdb" = FlushDb);
words!(
    /// The certificate requirement for a TLS client.
    TlsAuthClients { No, Yes, Optional }
    "no" = No, "yes" = Yes, "optional" = Optional);
words!(
    /// The field of a client's certificate that names its user.
    TlsAuthClientsUser { Cn, Off, Uri }
    "CN" = Cn, "off" = Off; "URI" = Uri);
words!(
    /// The form of a cluster node's name in redirections.
    EndpointType { Ip, Hostname, UnknownEndpoint }
    "ip" = Ip, "hostname" = Hostname, "unknown-endpoint" = UnknownEndpoint);
words!(
    /// The series of Redis whose commands exist and whose version is reported (`redis-compat`).
    RedisCompat { V7_0, V7_2, V7_4, V8_0, V8_2, V8_4, V8_6, V8_8, V8_10 }
    "7.0" = V7_0, "7.2" = V7_2, "7.4" = V7_4, "8.0" = V8_0, "8.2" = V8_2, "8.4" = V8_4, "8.6" = V8_6,
    "8.8" = V8_8, "8.10" = V8_10);
words!(
    /// The layout of log lines.
    LogFormat { Legacy, Logfmt, Json }
    "legacy" = Legacy, "logfmt" = Logfmt, "json" = Json);
words!(
    /// The clock of log lines.
    LogTimestampFormat { Legacy, Iso8601, Milliseconds }
    "legacy" = Legacy, "iso8601" = Iso8601, "milliseconds" = Milliseconds);

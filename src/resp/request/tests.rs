//! The request parser on every byte boundary, and on bytes that are no request.

use super::*;
use proptest::prelude::*;

const LIMITS: Limits = Limits {
    max_bulk: 512 << 20,
    authenticated: true,
};

fn encode(commands: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let mut out = Vec::new();
    for command in commands {
        out.extend(format!("*{}\r\n", command.len()).bytes());
        for arg in command {
            out.extend(format!("${}\r\n", arg.len()).bytes());
            out.extend(arg);
            out.extend(b"\r\n");
        }
    }
    out
}

/// Feeds `pieces` one by one, running what is recognised after each.
fn run<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    limits: Limits,
) -> (Vec<Vec<Vec<u8>>>, Option<ProtocolError>, Query) {
    let mut query = Query::default();
    let mut out = Vec::new();
    for piece in pieces {
        query.feed(piece);
        loop {
            let result = query.parse(limits);
            while let Some(argv) = query.peek(0) {
                out.push(argv.iter().map(<[u8]>::to_vec).collect());
                query.pass();
            }
            query.compact();
            match result {
                Ok(Stop::Starved) => break,
                Ok(Stop::Full) => {}
                Err(error) => return (out, Some(error), query),
            }
        }
    }
    (out, None, query)
}

fn whole(bytes: &[u8]) -> (Vec<Vec<Vec<u8>>>, Option<ProtocolError>) {
    let (out, error, _) = run(std::iter::once(bytes), LIMITS);
    (out, error)
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|w| w.as_bytes().to_vec()).collect()
}

#[test]
fn inline_commands_know_quotes_and_empty_lines() {
    let (out, error) = whole(b"\r\nSET a \"x y\\x41\"\r\n\n  \nGET a\n");
    assert_eq!(error, None);
    assert_eq!(
        out,
        [
            vec![b"SET".to_vec(), b"a".to_vec(), b"x yA".to_vec()],
            words("GET a")
        ]
    );
}

#[test]
fn empty_and_negative_counts_are_skipped() {
    let (out, error) = whole(b"*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n*-10\r\n");
    assert_eq!((out, error), (vec![words("PING")], None));
}

#[test]
fn errors_have_their_words_and_come_after_good_commands() {
    let long = [b"*".as_slice(), &[b'1'; 70_000]].concat();
    let long_bulk = [b"*1\r\n$".as_slice(), &[b'1'; 70_000]].concat();
    let cases: [(&[u8], ProtocolError); 9] = [
        (b"*x\r\n", ProtocolError::Count),
        (b"*3000000000\r\n", ProtocolError::Count),
        (b"*1\r\n+PING\r\n", ProtocolError::NoDollar(b'+')),
        (b"*1\r\n$-1\r\n", ProtocolError::BulkLength),
        (b"*1\r\n$2000000000\r\n", ProtocolError::BulkLength),
        (b"GET \"a\r\n", ProtocolError::Quotes),
        (&[b'a'; 70_000], ProtocolError::BigInline),
        (&long, ProtocolError::BigCount),
        (&long_bulk, ProtocolError::BigBulkCount),
    ];
    for (bytes, error) in cases {
        let bytes = [b"PING\r\n", bytes].concat();
        assert_eq!(whole(&bytes), (vec![words("PING")], Some(error)));
    }
}

#[test]
fn strangers_may_claim_little() {
    let limits = Limits {
        authenticated: false,
        ..LIMITS
    };
    let parse = |bytes: &'static [u8]| run(std::iter::once(bytes), limits).1;
    assert_eq!(parse(b"*11\r\n"), Some(ProtocolError::UnauthenticatedCount));
    assert_eq!(
        parse(b"*1\r\n$16385\r\n"),
        Some(ProtocolError::UnauthenticatedBulk)
    );
    assert_eq!(parse(b"*10\r\n$16384\r\n"), None);
}

#[test]
fn a_big_argument_gets_its_own_buffer() {
    let value = vec![b'v'; BIG];
    let commands = [vec![b"SET".to_vec(), b"k".to_vec(), value], words("PING")];
    let bytes = encode(&commands);
    let (head, tail) = bytes.split_at(40);
    let mut query = Query::default();
    query.feed(head);
    assert_eq!(query.parse(LIMITS), Ok(Stop::Starved));
    query.feed(tail);
    assert_eq!(query.parse(LIMITS), Ok(Stop::Starved));
    assert_eq!(query.ready(), 2);
    let argv = query.peek(0).expect("complete");
    assert_eq!(argv.shared(2).map(|big| big.len()), Some(BIG));
    assert!(argv.shared(1).is_none());
    query.pass();
    query.compact();
    assert_eq!(
        query.peek(0).map(|argv| argv.at(0)),
        Some(b"PING".as_slice())
    );
}

proptest! {
    #[test]
    fn any_split_gives_the_same_commands(
        commands in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6), 1..20),
        cuts in prop::collection::vec(1usize..30, 1..40),
        long in prop::option::of(BIG - 2..BIG + 3),
    ) {
        let mut commands = commands;
        if let Some(len) = long {
            commands[0].push(vec![b'x'; len]);
        }
        let bytes = encode(&commands);
        let mut rest = &bytes[..];
        let mut cuts = cuts.iter().cycle();
        let pieces = std::iter::from_fn(|| {
            let cut = (*cuts.next()?).min(rest.len());
            let (piece, after) = rest.split_at(cut);
            rest = after;
            (!piece.is_empty()).then_some(piece)
        });
        let (out, error, query) = run(pieces, LIMITS);
        prop_assert_eq!(error, None);
        prop_assert_eq!(out, commands);
        prop_assert!(query.is_idle());
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(
        prop_oneof![Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), Just(b'1'), any::<u8>()], 0..300)) {
        run(bytes.chunks(7), LIMITS);
        whole(&bytes);
    }
}

#[test]
fn a_silent_client_keeps_no_more_than_its_bytes() {
    let mut query = Query::with_capacity(16 << 10);
    query.feed(b"*2\r\n$4\r\nECHO\r\n$1000000\r\nab");
    assert_eq!(query.parse(LIMITS), Ok(Stop::Starved));
    query.note_read(false);
    assert!(query.trim(false) && query.spare() > 900_000, "in use");
    assert!(query.trim(true) && query.spare() < 100_000, "silent");
    query.feed(&vec![b'c'; 999_998]);
    query.feed(b"\r\n");
    assert_eq!(query.parse(LIMITS), Ok(Stop::Starved));
    let argv = query.peek(0).expect("complete");
    assert_eq!(
        (argv.at(1).len(), &argv.at(1)[..3]),
        (1_000_000, &b"abc"[..])
    );
    query.pass();
    query.compact();
    assert!(query.is_idle() && !query.trim(true));
}

#[test]
fn a_line_with_a_zero_byte_never_ends() {
    let (out, error) = whole(b"PING\n\0\nPING\n");
    assert_eq!((out, error), (vec![words("PING")], None));
    // The line before an argument ends all the same.
    let refused = |line: &[u8]| whole(line).1;
    assert_eq!(refused(b"*1\r\n$4\0\r\n"), Some(ProtocolError::BulkLength));
    assert_eq!(
        refused(b"*1\r\nx\0\r\n"),
        Some(ProtocolError::NoDollar(b'x'))
    );
    for (line, error) in [
        (&b"*1\0\r\n"[..], ProtocolError::BigCount),
        (b"PING\0\r\n", ProtocolError::BigInline),
    ] {
        assert_eq!(whole(line), (vec![], None));
        let long = [line, &[b'x'; 70_000]].concat();
        assert_eq!(whole(&long), (vec![], Some(error)));
    }
}

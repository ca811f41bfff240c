//! LOLWUT: a picture, followed by the version that clients look for.
//!
//! The picture is a wheel: timers on the rim of a hierarchical wheel, drawn with Braille dots, in a
//! different phase at each call. A version without a picture here gets none, as in Redis.

use crate::algo::rng::Rng;
use crate::command::spec::*;
use crate::command::{Args, CmdError, CmdResult, Reply};
use crate::server::clients::session::Session;
use crate::server::{Server, ServerCommand};
use crate::version::REDIS_VERSION;
use std::f64::consts::TAU;

pub static TABLE: &[ServerCommand] = &[LOLWUT];

/// The width and height of a picture, in dots.
const DOTS: usize = 64;
/// Versions with pictures.
const PICTURES: std::ops::RangeInclusive<i64> = 5..=8;

const LOLWUT: ServerCommand = Spec {
    name: "lolwut",
    flags: all(&[READONLY, FAST]),
    usage: "[version:integer@VERSION]",
    since: "5.0.0",
    summary: "A picture, and the version.",
    ..Spec::of(Group::Server)
}
.runs(lolwut);

fn lolwut(server: &mut Server, _: &mut Session, args: &mut Args, reply: &mut Reply) -> CmdResult {
    let mut version = *PICTURES.end();
    if args.left() > 1 && args.word("VERSION") {
        version = args.int().map_err(|_| CmdError::NotInteger)?;
    }
    let mut text = String::new();
    if PICTURES.contains(&version) {
        text = picture(&mut server.rng);
        text.push_str("\nA wheel of timers, some of them due. ");
    }
    text.push_str(&format!("Redis ver. {REDIS_VERSION}\n"));
    reply.verbatim(b"txt", text.as_bytes())
}

/// A canvas of dots, eight to a character.
struct Canvas(Vec<[bool; DOTS]>);

impl Canvas {
    fn dot(&mut self, x: f64, y: f64) {
        let (x, y) = (x.round() as usize, y.round() as usize);
        if x < DOTS && y < DOTS {
            self.0[y][x] = true;
        }
    }

    fn text(&self) -> String {
        /// The bits of a Braille character, by row and column.
        const BITS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let mut text = String::new();
        for rows in self.0.chunks(4) {
            for x in (0..DOTS).step_by(2) {
                let mut code = 0x2800;
                for (row, bits) in rows.iter().zip(BITS) {
                    code |= bits[0] * u32::from(row[x]) + bits[1] * u32::from(row[x + 1]);
                }
                text.push(char::from_u32(code).unwrap_or(' '));
            }
            text.push('\n');
        }
        text
    }
}

/// Draws rings with ticks, fewer on the outer ones, and spokes where a timer is due.
fn picture(rng: &mut Rng) -> String {
    let mut canvas = Canvas(vec![[false; DOTS]; DOTS]);
    let middle = (DOTS - 1) as f64 / 2.0;
    let mut at = |angle: f64, radius: f64| {
        canvas.dot(middle + radius * angle.cos(), middle + radius * angle.sin());
    };
    for ring in 1..=4 {
        let radius = f64::from(ring) * middle / 4.0;
        let phase = rng.f64() * TAU;
        let ticks = 64 / ring;
        for tick in 0..ticks {
            let angle = phase + TAU * f64::from(tick) / f64::from(ticks);
            at(angle, radius);
            if rng.below(6) == 0 {
                (0..8).for_each(|step| at(angle, radius - f64::from(step)));
            }
        }
    }
    canvas.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_fills_its_frame() {
        let text = picture(&mut Rng::new(5));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), DOTS / 4);
        assert!(lines.iter().all(|line| line.chars().count() == DOTS / 2));
        assert!(text.chars().filter(|&c| c != '\u{2800}').count() > 50);
    }
}

//! An answer and a behaviour turned into what the wire sees: writes, waits and the fault, in order.
//!
//! Pure: no socket, no clock. [`super::wire`] carries a program out.

use std::fmt::Write;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::answer::{Answer, EventKind};
use super::behaviour::{Behaviour, Close, Framing, Garbage};
use super::delay::Random;
use super::point::Point;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Write(Bytes),
    Wait(Duration),
    /// `None`: until the client leaves.
    Stall(Option<Duration>),
    /// TCP RST.
    Reset,
    /// TCP FIN in the middle of the answer.
    Cut,
}

#[derive(Debug)]
pub(super) struct Program {
    pub(super) actions: Vec<Action>,
    pub(super) keep_alive: bool,
    /// A comment written again and again while a stream waits, and how often.
    pub(super) ping: Option<(Duration, Bytes)>,
}

/// Compiles; `last_request` is what the client said about the connection.
pub(super) fn compile(answer: &Answer, behaviour: &Behaviour, last_request: bool, random: &mut Random) -> Program {
    let framing = behaviour.framing.unwrap_or(if answer.stream { Framing::Chunked } else { Framing::Length });
    let declared = behaviour.content_length.unwrap_or(answer.body.len() as u64);
    let keep_alive = !last_request
        && behaviour.close.is_none()
        && framing != Framing::Close
        && declared <= answer.body.len() as u64
        && behaviour.garbage != Some(Garbage::NotHttp);
    let ping = behaviour
        .ping_ms
        .filter(|_| !answer.ping.is_empty())
        .map(|gap| (Duration::from_millis(gap), framed(framing, &Bytes::from_static(answer.ping.as_bytes()))));
    let mut compiler = Compiler { answer, behaviour, framing, actions: Vec::new() };
    compiler.compile(declared, last_request, random);
    Program { actions: compiler.actions, keep_alive, ping }
}

struct Compiler<'a> {
    answer: &'a Answer,
    behaviour: &'a Behaviour,
    framing: Framing,
    actions: Vec<Action>,
}

/// Whether the program goes on behind a fault.
#[derive(PartialEq, Eq)]
enum After {
    GoesOn,
    Ends,
}

impl Compiler<'_> {
    fn compile(&mut self, declared: u64, last_request: bool, random: &mut Random) {
        if let Some(latency) = self.behaviour.latency_ms {
            self.actions.push(Action::Wait(latency.draw(random)));
        }
        if self.faults(|point| point == Point::BeforeHeaders) == After::Ends {
            return;
        }
        if self.behaviour.garbage == Some(Garbage::NotHttp) {
            self.actions.push(Action::Write(self.answer.body.clone()));
            return;
        }
        self.actions.push(Action::Write(self.head(declared, last_request)));
        let mut waits = self.waits(random).into_iter().peekable();
        let mut start = 0;
        for end in self.boundaries() {
            if self.faults_at(start) == After::Ends {
                return;
            }
            let mut wait = Duration::ZERO;
            while let Some((_, within)) = waits.next_if(|(offset, _)| *offset < end) {
                wait = wait.max(within);
            }
            if !wait.is_zero() {
                self.actions.push(Action::Wait(wait));
            }
            let piece = framed(self.framing, &self.answer.body.slice(start..end));
            if start == 0 {
                self.join(piece);
            } else {
                self.actions.push(Action::Write(piece));
            }
            start = end;
        }
        if self.faults_at(start) == After::Ends {
            return;
        }
        if self.framing == Framing::Chunked {
            self.join(Bytes::from_static(b"0\r\n\r\n"));
        }
    }

    /// Appends to the write before, if nothing lies between: one system call less.
    fn join(&mut self, piece: Bytes) {
        if let Some(Action::Write(before)) = self.actions.last_mut() {
            let mut joined = BytesMut::with_capacity(before.len() + piece.len());
            joined.put_slice(before);
            joined.put_slice(&piece);
            *before = joined.freeze();
        } else {
            self.actions.push(Action::Write(piece));
        }
    }

    fn faults_at(&mut self, offset: usize) -> After {
        let answer = self.answer;
        self.faults(|point| point != Point::BeforeHeaders && answer.offset(point) == offset)
    }

    fn faults(&mut self, here: impl Fn(Point) -> bool) -> After {
        let behaviour = self.behaviour;
        if behaviour.stall.is_some_and(&here) {
            self.actions.push(Action::Stall(behaviour.stall_ms.map(Duration::from_millis)));
        }
        for (point, action) in [(behaviour.reset, Action::Reset), (behaviour.cut, Action::Cut)] {
            if point.is_some_and(&here) {
                self.actions.push(action);
                return After::Ends;
            }
        }
        After::GoesOn
    }

    /// Before which offsets of the body how long is waited.
    fn waits(&self, random: &mut Random) -> Vec<(usize, Duration)> {
        let mut waits = Vec::new();
        if !self.answer.stream {
            return waits;
        }
        let rate = self.behaviour.tokens_per_second.map(|rate| Duration::from_secs_f64(1.0 / rate));
        let mut start = 0;
        let mut first = true;
        for mark in &self.answer.marks {
            if mark.kind == EventKind::Content {
                let delay = if first { self.behaviour.first_token_ms } else { self.behaviour.gap_ms };
                let wait = delay.map(|delay| delay.draw(random)).or(rate.filter(|_| !first));
                first = false;
                waits.extend(wait.map(|wait| (start, wait)));
            }
            start = mark.end;
        }
        waits
    }

    /// Where a write ends: by size if sizes are given, else by event; and wherever a fault strikes.
    fn boundaries(&self) -> Vec<usize> {
        let length = self.answer.body.len();
        let mut ends: Vec<usize> = if self.behaviour.split_bytes.is_empty() {
            let every = self.behaviour.events_per_write.unwrap_or(1);
            self.answer.marks.iter().map(|mark| mark.end).skip(every - 1).step_by(every).collect()
        } else {
            let mut end = 0;
            let sizes = self.behaviour.split_bytes.iter().cycle();
            sizes
                .map_while(|size| (end < length).then(|| (end + size).min(length)).inspect(|next| end = *next))
                .collect()
        };
        let faults = [self.behaviour.reset, self.behaviour.cut, self.behaviour.stall];
        ends.extend(faults.into_iter().flatten().map(|point| self.answer.offset(point)));
        ends.push(length);
        ends.sort_unstable();
        ends.dedup();
        ends.retain(|end| *end > 0);
        ends
    }

    fn head(&self, declared: u64, last_request: bool) -> Bytes {
        let reason = http::StatusCode::from_u16(self.answer.status).ok().and_then(|status| status.canonical_reason());
        let content_type = self.behaviour.content_type.as_deref().unwrap_or(&self.answer.content_type);
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.answer.status, reason.unwrap_or("Unknown"));
        let _ = write!(head, "content-type: {content_type}\r\n");
        let given = &self.behaviour.headers;
        for (name, value) in self.answer.headers.iter().filter(|(name, _)| !given.contains_key(*name)) {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        for (name, value) in given {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        match self.framing {
            Framing::Length => {
                let _ = write!(head, "content-length: {declared}\r\n");
            }
            Framing::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
            Framing::Close => {}
        }
        let closes = last_request || self.framing == Framing::Close || self.behaviour.close == Some(Close::Announced);
        head.push_str(if closes { "connection: close\r\n\r\n" } else { "\r\n" });
        head.into()
    }
}

fn framed(framing: Framing, piece: &Bytes) -> Bytes {
    if framing != Framing::Chunked || piece.is_empty() {
        return piece.clone();
    }
    let mut chunk = BytesMut::with_capacity(piece.len() + 12);
    chunk.put_slice(format!("{:x}\r\n", piece.len()).as_bytes());
    chunk.put_slice(piece);
    chunk.put_slice(b"\r\n");
    chunk.freeze()
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;

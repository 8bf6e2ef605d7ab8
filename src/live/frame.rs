//! Frames: what two nodes say to each other, cut out of the stream of bytes that a session carries.
//!
//! A frame is the length of its body, as a varint (LEB128: seven bits a byte, the lowest first), and the
//! body. A body of length zero is a keep-alive.

use super::noise::MOST_PLAIN;
use thiserror::Error;

/// The longest body, in bytes.
pub const MOST_FRAME: usize = 1 << 20;

/// Bytes of a length as we write it. Three of them hold 21 bits, enough for every frame, so that the length
/// can be filled in when the body is written, which need not move then.
const LENGTH: usize = 3;

/// Bytes of a length as others may write it: five hold any u32.
const MOST_LENGTH: usize = 5;

/// What an idle stream may keep in memory, in bytes.
const KEPT: usize = 1 << 16;

/// A frame longer than [`MOST_FRAME`], or a length that is no u32: the stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a frame is longer than {MOST_FRAME} bytes")]
pub struct TooLong;

/// Appends a frame to `stream`, the body of which is what `body` appends. If that is too long, `stream` is
/// left as it was.
///
/// # Panics
/// If `body` takes bytes away that were there before.
pub fn push(stream: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) -> Result<(), TooLong> {
    let start = stream.len();
    stream.extend_from_slice(&[0; LENGTH]);
    body(stream);
    let length = stream.len() - start - LENGTH;
    if length > MOST_FRAME {
        stream.truncate(start);
        return Err(TooLong);
    }
    let seven = |at: usize| (length >> (7 * at) & 0x7f) as u8;
    stream[start..start + LENGTH].copy_from_slice(&[seven(0) | 0x80, seven(1) | 0x80, seven(2)]);
    Ok(())
}

/// Appends a keep-alive to `stream`: one byte.
pub fn push_keep_alive(stream: &mut Vec<u8>) {
    stream.push(0);
}

/// Cuts the stream of a peer into frames.
///
/// Append one record to [`buffer_mut`](Frames::buffer_mut), then take frames by [`next`](Frames::next) until
/// there is none. In this order it never holds more than one frame and one record, whatever the peer sends.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Where the next frame begins.
    start: usize,
}

impl Frames {
    /// Where to append what comes next from the peer. What is there already stays.
    pub fn buffer_mut(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// The body of the next frame, or `None` until more has come. After an error there is only that error.
    #[expect(clippy::should_implement_trait, reason = "no Iterator lends from itself")]
    pub fn next(&mut self) -> Result<Option<&[u8]>, TooLong> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let whole = match header(rest)? {
            Some((header, body)) if rest.len() >= header + body => {
                let begin = self.start + header;
                self.start = begin + body;
                return Ok(Some(&self.buffer[begin..self.start]));
            }
            Some((header, body)) => header + body,
            None => 0,
        };
        self.make_room(whole);
        Ok(None)
    }

    /// Moves the beginning of the next frame to the front. It moves once: it stays there until it is
    /// complete.
    fn make_room(&mut self, whole: usize) {
        self.buffer.drain(..self.start.min(self.buffer.len()));
        self.start = 0;
        let needed = whole + MOST_PLAIN;
        let capacity = self.buffer.capacity();
        if capacity < needed && 2 * capacity > needed {
            // By itself the vector would double once more. (Before that it may: memory follows the bytes that
            // came, never the length that was claimed.)
            self.buffer.reserve_exact(needed - self.buffer.len());
        } else if whole <= KEPT {
            self.buffer.shrink_to(KEPT + MOST_PLAIN);
        }
    }
}

/// The length of the header at the front of `bytes`, and of the body after it, once the header is complete.
fn header(bytes: &[u8]) -> Result<Option<(usize, usize)>, TooLong> {
    let mut length = 0u64;
    for (at, &byte) in bytes.iter().take(MOST_LENGTH).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * at);
        if length > MOST_FRAME as u64 {
            return Err(TooLong);
        }
        if byte & 0x80 == 0 {
            return Ok(Some((at + 1, length as usize)));
        }
    }
    if bytes.len() < MOST_LENGTH { Ok(None) } else { Err(TooLong) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Everything that can be taken now.
    fn take(frames: &mut Frames) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut taken = Vec::new();
        while let Some(body) = frames.next()? {
            taken.push(body.to_vec());
        }
        Ok(taken)
    }

    fn stream(bodies: &[Vec<u8>]) -> Vec<u8> {
        let mut stream = Vec::new();
        for body in bodies {
            push(&mut stream, |stream| stream.extend_from_slice(body)).unwrap();
        }
        stream
    }

    const MOST_MEMORY: usize = MOST_FRAME + MOST_LENGTH + MOST_PLAIN;

    #[test]
    fn the_longest_frame_passes_and_one_byte_more_does_not() {
        let mut stream = b"before".to_vec();
        assert_eq!(push(&mut stream, |stream| stream.resize(stream.len() + MOST_FRAME + 1, 7)), Err(TooLong));
        assert_eq!(stream, b"before");
        stream.clear();
        push(&mut stream, |stream| stream.resize(stream.len() + MOST_FRAME, 7)).unwrap();
        let mut frames = Frames::default();
        frames.buffer_mut().extend_from_slice(&stream);
        assert_eq!(frames.next().unwrap().map(<[u8]>::len), Some(MOST_FRAME));
        assert_eq!(frames.next(), Ok(None));
    }

    #[test]
    fn lengths_are_read_however_they_are_padded() {
        for bytes in [&[3, 1, 2, 3][..], &[0x83, 0, 1, 2, 3], &[0x83, 0x80, 0x80, 0x80, 0, 1, 2, 3]] {
            let mut frames = Frames::default();
            frames.buffer_mut().extend_from_slice(bytes);
            assert_eq!(frames.next(), Ok(Some(&[1, 2, 3][..])));
            assert_eq!(frames.next(), Ok(None));
        }
    }

    #[test]
    fn lengths_beyond_the_limit_are_refused_for_good() {
        let too_long = MOST_FRAME as u32 + 1;
        let seven = |at: u32| (too_long >> (7 * at) & 0x7f) as u8;
        for bytes in [
            &[0xff, 0xff, 0xff, 0xff, 0x0f][..],
            &[0xff; 5],
            &[0x80; 5],
            &[0x80, 0x80, 0x80, 0x80, 0x7f],
            &[seven(0) | 0x80, seven(1) | 0x80, seven(2)],
        ] {
            let mut frames = Frames::default();
            frames.buffer_mut().extend_from_slice(&stream(&[b"good".to_vec()]));
            frames.buffer_mut().extend_from_slice(bytes);
            assert_eq!(frames.next(), Ok(Some(&b"good"[..])));
            assert_eq!(frames.next(), Err(TooLong));
            assert_eq!(frames.next(), Err(TooLong));
        }
    }

    #[test]
    fn keep_alives_are_empty_frames() {
        let mut frames = Frames::default();
        push_keep_alive(frames.buffer_mut());
        push(frames.buffer_mut(), |_| ()).unwrap();
        assert_eq!(take(&mut frames), Ok(vec![vec![], vec![]]));
    }

    #[test]
    fn memory_follows_what_came_and_is_given_back() {
        let bodies: Vec<Vec<u8>> =
            [MOST_FRAME, 10, MOST_FRAME, 600_000, MOST_FRAME - 1].map(|length| vec![1; length]).to_vec();
        let stream = stream(&bodies);
        for record in [MOST_PLAIN, MOST_PLAIN - 1, 40_000, 1_000] {
            let mut frames = Frames::default();
            let mut seen = 0;
            for bytes in stream.chunks(record) {
                frames.buffer_mut().extend_from_slice(bytes);
                assert!(frames.buffer.capacity() <= MOST_MEMORY, "{record}: {}", frames.buffer.capacity());
                seen += take(&mut frames).unwrap().len();
                assert!(frames.buffer.capacity() <= MOST_MEMORY, "{record}: {}", frames.buffer.capacity());
            }
            assert_eq!(seen, bodies.len());
            assert!(frames.buffer.capacity() <= KEPT + MOST_PLAIN);
        }
    }

    #[test]
    fn a_claimed_length_takes_no_memory() {
        let mut frames = Frames::default();
        frames.buffer_mut().extend_from_slice(&[0x80, 0x80, 0x40, 1, 2, 3]);
        assert_eq!(frames.next(), Ok(None));
        assert!(frames.buffer.capacity() < 100);
    }

    #[test]
    fn a_buffer_that_was_emptied_by_its_user_does_no_harm() {
        let mut frames = Frames::default();
        frames.buffer_mut().extend_from_slice(&stream(&[vec![1; 10], vec![2; 10]]));
        assert!(frames.next().unwrap().is_some());
        frames.buffer_mut().clear();
        assert_eq!(frames.next(), Ok(None));
    }

    proptest! {
        #[test]
        fn frames_come_back_however_they_are_cut(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40),
            cuts in prop::collection::vec(1..200usize, 1..20),
        ) {
            let stream = stream(&bodies);
            let mut frames = Frames::default();
            let (mut rest, mut taken) = (&stream[..], Vec::new());
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at(rest.len().min(*cut));
                frames.buffer_mut().extend_from_slice(now);
                taken.extend(take(&mut frames).unwrap());
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(taken, bodies);
        }

        #[test]
        fn any_bytes_are_frames_or_an_error(
            records in prop::collection::vec(
                prop::collection::vec(prop_oneof![any::<u8>(), Just(0x80), Just(0xff), Just(0x40)], 0..400),
                0..10,
            ),
        ) {
            let mut frames = Frames::default();
            for record in records {
                frames.buffer_mut().extend_from_slice(&record);
                let taken = take(&mut frames);
                prop_assert!(frames.buffer.capacity() <= MOST_MEMORY);
                if taken.is_err() {
                    prop_assert_eq!(frames.next(), Err(TooLong));
                    break;
                }
            }
        }
    }
}

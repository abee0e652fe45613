//! Where the members of an object and the elements of an array stand in a text, to splice some of them out.

use std::ops::Range;

use crate::dialects::splice::Splice;
use crate::json::{walk, walk_array};

/// Where a member of an object, or an element of an array, stands in a text.
#[derive(Debug)]
pub struct Member {
    /// Its key, decoded; an element has none.
    pub key: Vec<u8>,
    /// From the end of what is before it to the start of its value: a comma, its key, a colon.
    pub gap: Range<usize>,
    /// Its value.
    pub value: Range<usize>,
}

/// Members, in order, of the object at `at` in a text that was read before; what is no object has none.
#[must_use]
pub fn members(text: &[u8], at: Range<usize>) -> Vec<Member> {
    let Some((object, start, mut before)) = inside(text, &at, b'{') else { return Vec::new() };
    let mut members = Vec::new();
    // It was read before, so the walk ends well.
    let _ = walk(object, usize::MAX, |reader, key| {
        let (value, key) = (start + reader.position(), key.to_vec());
        let end = value + reader.raw()?.len();
        members.push(Member { key, gap: std::mem::replace(&mut before, end)..value, value: value..end });
        Ok(())
    });
    members
}

/// Elements, in order, of the array at `at` in a text that was read before; what is no array has none.
#[must_use]
pub fn elements(text: &[u8], at: Range<usize>) -> Vec<Member> {
    let Some((array, start, mut before)) = inside(text, &at, b'[') else { return Vec::new() };
    let mut elements = Vec::new();
    let _ = walk_array(array, usize::MAX, |reader| {
        let value = start + reader.position();
        let end = value + reader.raw()?.len();
        let gap = std::mem::replace(&mut before, end)..value;
        elements.push(Member { key: Vec::new(), gap, value: value..end });
        Ok(())
    });
    elements
}

/// What is at `at`, where that starts, and where its inside does; `None` if it does not open so.
fn inside<'text>(text: &'text [u8], at: &Range<usize>, opening: u8) -> Option<(&'text [u8], usize, usize)> {
    let part = text.get(at.clone())?;
    let offset = part.iter().position(|byte| !byte.is_ascii_whitespace())?;
    (part[offset] == opening).then_some((part, at.start, at.start + offset + 1))
}

/// Changes that take out members, or elements, and the commas which that leaves over.
pub fn removals(text: &[u8], members: &[Member], is_removed: impl Fn(&Member) -> bool) -> Vec<Splice> {
    let mut changes = Vec::new();
    let mut is_first = true;
    for member in members {
        if is_removed(member) {
            changes.push(Splice::new(member.gap.start..member.value.end, String::new()));
            continue;
        }
        if std::mem::take(&mut is_first)
            && let Some(comma) = text[member.gap.clone()].iter().position(|byte| *byte == b',')
            && text[member.gap.start..member.gap.start + comma].trim_ascii().is_empty()
        {
            let comma = member.gap.start + comma;
            changes.push(Splice::new(comma..comma + 1, String::new()));
        }
    }
    changes
}

/// Another key for a member.
#[must_use]
pub fn rename(text: &[u8], member: &Member, to: &str) -> Option<Splice> {
    let gap = &text[member.gap.clone()];
    let (first, last) = (gap.iter().position(|byte| *byte == b'"')?, gap.iter().rposition(|byte| *byte == b'"')?);
    Some(Splice::text(member.gap.start + first..member.gap.start + last + 1, to))
}

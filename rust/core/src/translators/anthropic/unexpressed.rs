//! What only Anthropic has, by name, and whether an answer without it would be another.

use std::borrow::Cow;

use crate::neutral::Unexpressed;

/// Fields of a request that are read elsewhere.
const READ: [&str; 17] = [
    "model",
    "messages",
    "system",
    "max_tokens",
    "metadata",
    "output_config",
    "output_format",
    "service_tier",
    "stop_sequences",
    "stream",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
    "anthropic_version",
];

/// Fields of a request without a counterpart that shape the answer, or say where it may be made. The others
/// (`cache_control`, `speed`, `user_profile_id`, …) are habits and wishes.
const ESSENTIAL: [&str; 4] = ["container", "context_management", "inference_geo", "mcp_servers"];

/// Content blocks without a counterpart: what Anthropic's own tools did, and what they are given.
const BLOCKS: [&str; 16] = [
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "advisor_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
    "container_upload",
    "tool_reference",
    "search_result",
    "compaction",
    "tool_addition",
    "tool_removal",
];

/// A field of the request, unless it is read elsewhere.
pub(super) fn field<'text>(name: &Cow<'text, str>) -> Option<Unexpressed<'text>> {
    (!READ.contains(&name.as_ref()))
        .then(|| Unexpressed { name: name.clone(), is_essential: ESSENTIAL.contains(&name.as_ref()) })
}

/// Whether a block of this type is known to have no counterpart.
pub(super) fn is_block(kind: &str) -> bool {
    BLOCKS.contains(&kind)
}

/// Notes something within the request by its path, once: a conversation may have it a thousand times.
pub(super) fn note<'text>(
    unexpressed: &mut Vec<Unexpressed<'text>>,
    name: impl Into<Cow<'text, str>>,
    is_essential: bool,
) {
    let name = name.into();
    if unexpressed.iter().all(|known| known.name != name) {
        unexpressed.push(Unexpressed { name, is_essential });
    }
}

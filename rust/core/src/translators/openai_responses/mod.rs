//! OpenAI Responses, to and from the neutral form.

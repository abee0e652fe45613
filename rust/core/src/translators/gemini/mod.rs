//! Gemini's generateContent, to and from the neutral form.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;

/// A word-level tokenizer of two words, as small as Hugging Face's format allows.
fn write_tokenizer(name: &str, words: &[&str]) -> PathBuf {
    let vocabulary: serde_json::Map<String, Value> =
        words.iter().enumerate().map(|(id, word)| ((*word).to_owned(), id.into())).collect();
    let document = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": words[0]},
    });
    let path = std::env::temp_dir().join(format!("fastgate-{}-{name}.json", std::process::id()));
    std::fs::write(&path, document.to_string()).unwrap();
    path
}

fn tables(deployments: &[(&str, &str, Value)]) -> Tables {
    let timeouts = json!({"connect_ms": 1, "first_content_ms": 1, "gap_ms": 1, "total_ms": 1});
    let deployments: Vec<Value> = deployments
        .iter()
        .map(|(id, model, tokenizer)| {
            json!({"id": id, "provider": 0, "model": model, "region": null, "timeouts": timeouts, "tokenizer": tokenizer})
        })
        .collect();
    crate::testing::tables(&json!({
        "deployments": deployments,
        "providers": [{"id": "p", "dialect": "openai", "base_url": "http://p", "credentials": [], "stream_usage": true,
            "headers": [], "proxy": null, "ca_file": null}],
    }))
}

fn vocabularies(deployments: &[(&str, &str, Value)]) -> Arc<Vocabularies> {
    let vocabularies = Arc::new(Vocabularies::default());
    vocabularies.install(vocabularies.prepare(&tables(deployments)).unwrap());
    vocabularies
}

fn wait_until_built(encoding: Encoding) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Vocabulary::ready(encoding).is_none() {
        assert!(Instant::now() < deadline, "not built in the background");
        std::thread::yield_now();
    }
}

#[test]
fn a_shipped_vocabulary_is_built_in_the_background_and_only_if_named() {
    let vocabularies = vocabularies(&[("a", "m", json!({"encoding": "o200k_base"})), ("b", "m", json!(null))]);
    wait_until_built(Encoding::O200kBase);
    assert!(Vocabulary::ready(Encoding::Cl100kBase).is_none(), "no deployment of this test binary names it");
    assert_eq!(vocabularies.estimate("a", b"hello world"), 2);
    assert_eq!(vocabularies.estimate("b", b"hello world"), 3);
    assert_eq!(vocabularies.estimate("not configured", b"hello world"), 3);
    assert_eq!(vocabularies.estimate("a", b""), 0);
}

#[test]
fn a_long_text_is_estimated_by_its_head() {
    let vocabularies = vocabularies(&[("a", "m", json!({"encoding": "o200k_base"}))]);
    wait_until_built(Encoding::O200kBase);
    let text = "hello world, ".repeat(100_000);
    let exact = Vocabulary::shared(Encoding::O200kBase).count(&text);
    let estimate = vocabularies.estimate("a", text.as_bytes());
    assert!(estimate.abs_diff(exact) < exact / 100, "{estimate} for {exact}");
}

#[test]
fn what_a_provider_reports_is_learned_and_outlives_a_reload() {
    let vocabularies = vocabularies(&[("a", "m", json!(null))]);
    for _ in 0..1_000 {
        vocabularies.observe("a", 4_000, 2_000);
    }
    assert_eq!(vocabularies.estimate("a", &[b'x'; 1_000]), 500);
    vocabularies.install(vocabularies.prepare(&tables(&[("a", "m", json!(null))])).unwrap());
    assert_eq!(vocabularies.estimate("a", &[b'x'; 1_000]), 500);
    // Another model under the same id has another tokenizer.
    vocabularies.install(vocabularies.prepare(&tables(&[("a", "n", json!(null))])).unwrap());
    assert_eq!(vocabularies.estimate("a", &[b'x'; 1_000]), 250);
}

#[test]
fn a_tokenizer_file_counts_is_kept_and_is_read_again_when_it_changes() {
    let path = write_tokenizer("changes", &["none", "one"]);
    let deployments = [("a", "m", json!({"file": path})), ("b", "m", json!({"file": path}))];
    let vocabularies = vocabularies(&deployments);
    let file = |id| Arc::clone(vocabularies.counter(id).unwrap().file().unwrap());
    let first = file("a");
    assert!(Arc::ptr_eq(&first, &file("b")), "one file, read once");
    assert_eq!(vocabularies.estimate("a", b"one one one"), 3);
    vocabularies.install(vocabularies.prepare(&tables(&deployments)).unwrap());
    assert!(Arc::ptr_eq(&first, &file("a")), "nothing changed");
    write_tokenizer("changes", &["none", "one", "two"]);
    vocabularies.install(vocabularies.prepare(&tables(&deployments)).unwrap());
    assert!(!Arc::ptr_eq(&first, &file("a")), "the file changed");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_file_that_is_no_tokenizer_is_refused_with_the_deployment_that_names_it() {
    let path = std::env::temp_dir().join(format!("fastgate-{}-wrong.json", std::process::id()));
    let vocabularies = Vocabularies::default();
    let wrong = tables(&[("a", "m", json!({"file": path}))]);
    assert!(vocabularies.prepare(&wrong).unwrap_err().starts_with("deployments.a: tokenizer "));
    std::fs::write(&path, "{}").unwrap();
    assert!(vocabularies.prepare(&wrong).unwrap_err().starts_with("deployments.a: tokenizer "));
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn prompts_are_counted_exactly_long_ones_too_and_messages_once() {
    let vocabularies = vocabularies(&[("a", "m", json!({"encoding": "o200k_base"})), ("b", "m", json!(null))]);
    wait_until_built(Encoding::O200kBase);
    let vocabulary = Vocabulary::shared(Encoding::O200kBase);
    let tools = json!([{"type": "function", "function": {"name": "f", "description": "Does it."}}]);
    for repeats in [1, 10_000] {
        let content = "hello world, ".repeat(repeats);
        let body = json!({"model": "m", "tools": tools, "messages": [
            {"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]});
        let body = Bytes::from(body.to_string());
        let expected = Parts::read(&body).unwrap().tokens(&|text| vocabulary.count(text));
        for _ in 0..2 {
            assert_eq!(vocabularies.count_prompt("a", body.clone()).await, Some(expected));
        }
        let estimate = vocabularies.estimate_prompt("a", &body);
        assert!(estimate.abs_diff(expected) <= expected / 100, "{estimate} for {expected}");
        assert_eq!(vocabularies.count_prompt("b", body.clone()).await, None, "no tokenizer");
        assert!(vocabularies.estimate_prompt("b", &body) > 0);
    }
    let known = |message: &str| vocabularies.messages.get(&message_key(Encoding::O200kBase as u64, message.as_bytes()));
    let brief = json!({"role": "system", "content": "Be brief."}).to_string();
    assert_eq!(known(&brief), Some(3 + 1 + vocabulary.count("Be brief.")));
    assert_eq!(known(&brief.replace(':', ": ")), None, "a message is known by its bytes, not by its meaning");
    assert_eq!(vocabularies.count_prompt("a", Bytes::from_static(b"[]")).await, None);
}

#[tokio::test]
async fn a_long_count_leaves_the_io_thread_to_others() {
    let vocabularies = vocabularies(&[("a", "m", json!({"encoding": "o200k_base"}))]);
    wait_until_built(Encoding::O200kBase);
    let body = json!({"messages": [{"role": "user", "content": "a".repeat(200_000)}]});
    let counting = tokio::spawn({
        let (vocabularies, body) = (Arc::clone(&vocabularies), Bytes::from(body.to_string()));
        async move { vocabularies.count_prompt("a", body).await }
    });
    // The one thread of this runtime gets here only if the count gave it back before it was done.
    tokio::task::yield_now().await;
    assert!(!counting.is_finished());
    assert!(counting.await.unwrap().is_some());
}

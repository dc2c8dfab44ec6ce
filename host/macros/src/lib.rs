// SPDX-License-Identifier: GPL-2.0

//! Stands in for the kernel's procedural macros on the host.

use proc_macro::{
    Delimiter,
    Group,
    Ident,
    Span,
    TokenStream,
    TokenTree, //
};

include!(concat!(env!("OUT_DIR"), "/kernel.rs"));

/// `format_args!` by the rules of the kernel's traits: the kernel's own.
#[proc_macro]
pub fn fmt(input: TokenStream) -> TokenStream {
    fmt::fmt(input.into()).into()
}

/// Concatenates identifiers between `[<` and `>]`: the kernel's own.
#[proc_macro]
pub fn paste(input: TokenStream) -> TokenStream {
    let mut tokens = proc_macro2::TokenStream::from(input).into_iter().collect();
    paste::expand(&mut tokens);
    tokens
        .into_iter()
        .collect::<proc_macro2::TokenStream>()
        .into()
}

/// A module of KUnit tests is one of Rust tests.
#[proc_macro_attribute]
pub fn kunit_tests(_suite: TokenStream, module: TokenStream) -> TokenStream {
    let mut tests: TokenStream = "#[cfg(test)]".parse().unwrap_or_default();
    tests.extend(module);
    tests
}

/// Takes `#[pin]` off the fields of a struct: on the host, what is initialised in place is moved
/// there.
#[proc_macro_attribute]
pub fn pin_data(_: TokenStream, item: TokenStream) -> TokenStream {
    item.into_iter()
        .map(|token| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                Group::new(Delimiter::Brace, without_pin(group.stream())).into()
            }
            other => other,
        })
        .collect()
}

fn without_pin(fields: TokenStream) -> TokenStream {
    let mut rest = fields.into_iter().peekable();
    let mut kept = Vec::new();
    while let Some(token) = rest.next() {
        let is_hash = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '#');
        let is_pin = |next: &TokenTree| next.to_string() == "[pin]";
        if is_hash && rest.next_if(is_pin).is_some() {
            continue;
        }
        kept.push(token);
    }
    kept.into_iter().collect()
}

/// Makes `impl<T> PinnedDrop for Type<T> { .. }` be called when a `Type<T>` is dropped.
#[proc_macro_attribute]
pub fn pinned_drop(_: TokenStream, item: TokenStream) -> TokenStream {
    let is_trait = |token: &TokenTree| token.to_string() == "PinnedDrop";
    let drop = item.clone().into_iter().map(|token| match token {
        token if is_trait(&token) => Ident::new("Drop", Span::call_site()).into(),
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
            let body = "fn drop(&mut self) { ::pin_init::drop_pinned(self) }";
            let body = body.parse().expect("it is Rust");
            Group::new(Delimiter::Brace, body).into()
        }
        other => other,
    });
    drop.chain(item.clone()).collect()
}

//! How a file's nodes are read; which keys there are is said where the operations are listed.

/// Declares a node with every key any operation takes, so that it is read in one pass without a tree in between.
macro_rules! node_json {
    ($($key:ident: $kind:ty,)*) => {
        /// A node; which keys it may have depends on `op`.
        #[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, expecting = "a node")]
        pub(crate) struct NodeJson {
            pub(crate) name: String,
            pub(crate) op: String,
            $(#[serde(skip_serializing_if = "Option::is_none")] pub(crate) $key: Option<$kind>,)*
        }

        impl NodeJson {
            /// The keys it has.
            pub(crate) fn keys(&self) -> impl Iterator<Item = &'static str> {
                let keys = [$((stringify!($key), self.$key.is_some()),)*];
                keys.into_iter().filter_map(|(key, there)| there.then_some(key))
            }
        }
    };
}

pub(super) use node_json;

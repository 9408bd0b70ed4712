/// What the search index must learn after a commit.
enum SearchChange: Sendable {
    /// The message in this row has this text now. `isEdit`: it had another before.
    case text(row: Int64, String)
    /// The row is gone, or has no text any more.
    case gone(row: Int64)
    /// The counter of edits was raised, from this value.
    case edited(from: Int64)
}

/// Why bytes or text from outside were refused. Every decoder of this module throws this and nothing else.
package enum WireError: Error, Hashable, Sendable {
    /// The input ends before the layout does.
    case truncated
    /// The input goes on after the layout has ended.
    case trailingBytes
    /// A length or a count lies outside of its limits.
    case lengthOutOfRange
    /// Text is not UTF-8, or holds characters that its field forbids.
    case invalidText
    /// A field holds a value that its layout forbids.
    case invalidValue
    /// A kind that this version does not know, where it cannot be skipped.
    case unsupported(UInt8)
}

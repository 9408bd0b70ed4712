/// What is wrong with the settings; the description is one line for the person who wrote them.
struct SettingsError: Error, Hashable, CustomStringConvertible {
    let description: String
    /// Whether the command line is to blame.
    let isUsage: Bool

    init(_ description: String, isUsage: Bool = false) {
        self.description = description
        self.isUsage = isUsage
    }
}

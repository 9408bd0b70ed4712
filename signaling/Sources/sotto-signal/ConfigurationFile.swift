import Configuration
import FoundationEssentials
import SystemPackage

/// The JSON file with settings.
enum ConfigurationFile {
    /// Opens the file. A key that no setting has is refused: a slip of the pen must not go unnoticed.
    ///
    /// - Throws: `SettingsError`.
    static func open(_ path: String) async throws(SettingsError) -> FileProvider<JSONSnapshot> {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw SettingsError("cannot read the configuration file \(path)")
        }
        guard let file = try? JSONDecoder().decode(Keys.self, from: data) else {
            throw SettingsError("the configuration file \(path) is no JSON object")
        }
        for key in file.keys.sorted() where SettingKey(rawValue: key) == nil {
            throw SettingsError(
                "the configuration file \(path) has an unknown key \"\(printable(key))\"; there are "
                    + SettingKey.allCases.map(\.rawValue).joined(separator: ", "))
        }
        if let key = file.objects.first { throw SettingsError("setting \(key): it is an object") }
        do {
            return try await FileProvider<JSONSnapshot>(filePath: FilePath(path))
        } catch {
            throw SettingsError("the configuration file \(path) cannot be used: values are strings, numbers and lists")
        }
    }

    /// The keys of an object, whatever their values.
    private struct Keys: Decodable {
        let keys: [String]
        /// Those whose values are objects.
        let objects: [String]

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            keys = container.allKeys.map(\.stringValue)
            objects = container.allKeys.filter {
                (try? container.nestedContainer(keyedBy: Key.self, forKey: $0)) != nil
            }
            .map(\.stringValue)
        }
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private static func printable(_ text: String) -> String {
        String(text.prefix(64).map { $0.isASCII && !$0.isNewline && ($0.asciiValue ?? 0) >= 0x20 ? $0 : "?" })
    }
}

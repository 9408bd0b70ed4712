import Configuration
import SignalingServer

// The mailbox's settings.
extension SettingsReader {
    /// Nil when there is to be none.
    func mailbox(_ environment: [String: String]) async throws(SettingsError) -> MailboxConfiguration? {
        guard try await !flag(.noMailbox) else { return nil }
        var configuration = MailboxConfiguration(directory: try await folder(environment))
        configuration.limits = try await mailLimits()
        return configuration
    }

    /// Where the mailbox is kept: what was given, else the folder that systemd has made, else the user's.
    private func folder(_ environment: [String: String]) async throws(SettingsError) -> String {
        if let path = try await text(.data) {
            guard !path.isEmpty else { throw wrong(.data, "it is empty") }
            return path
        }
        func absolute(_ name: String) -> String? {
            guard let path = environment[name]?.split(separator: ":").first, path.hasPrefix("/") else { return nil }
            return String(path)
        }
        if let path = absolute("STATE_DIRECTORY") { return path }
        if let path = absolute("XDG_STATE_HOME") { return path + "/sotto-signal" }
        if let path = absolute("HOME") { return path + "/.local/state/sotto-signal" }
        throw SettingsError(
            "there is no home directory to keep mail in: give \(SettingKey.data.option) DIR, or \(SettingKey.noMailbox.option)"
        )
    }

    private func mailLimits() async throws(SettingsError) -> MailboxLimits {
        var limits = MailboxLimits()
        let most = 1 << 50
        if let value = try await number(.mailTtl, in: 1...315_360_000) { limits.timeToLive = value }
        if let value = try await number(.mailQuotaBytes, in: 1...most) { limits.recipient.bytes = value }
        if let value = try await number(.mailQuotaItems, in: 1...10_000_000) { limits.recipient.items = value }
        if let value = try await number(.mailSenderBytes, in: 1...most) { limits.sender.bytes = value }
        if let value = try await number(.mailSenderItems, in: 1...10_000_000) { limits.sender.items = value }
        if let value = try await number(.mailRequests, in: 0...10_000) { limits.requests = value }
        if let value = try await number(.mailCapabilities, in: 1...1_000_000) { limits.capabilities = value }
        if let value = try await number(.mailStoreBytes, in: 1_048_576...most) { limits.storeBytes = value }
        if let value = try await number(.mailReserveBytes, in: 0...most) { limits.reserveBytes = value }
        if let value = try await number(.mailsPerSecond, in: 1...1_000_000) {
            limits.mails = RateLimit(rate: Double(value), burst: Double(value) * 4)
        }
        return limits
    }

    private func flag(_ key: SettingKey) async throws(SettingsError) -> Bool {
        do {
            return try await reader.fetchBool(forKey: ConfigKey([key.rawValue])) ?? false
        } catch {
            throw wrong(key, "it is neither true nor false")
        }
    }
}

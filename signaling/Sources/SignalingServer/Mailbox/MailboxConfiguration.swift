import Glibc

/// Where the mailbox is kept, and what it may hold.
package struct MailboxConfiguration: Sendable {
    /// The folder; made when it is missing, readable by the server alone.
    package var directory: String
    package var limits = MailboxLimits()
    /// The time, in milliseconds since 1970; tests move it.
    package var clock: @Sendable () -> UInt64 = MailboxConfiguration.systemClock

    package init(directory: String) {
        self.directory = directory
    }

    /// The system's clock.
    package static let systemClock: @Sendable () -> UInt64 = {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UInt64(max(0, time.tv_sec)) * 1000 + UInt64(max(0, time.tv_nsec)) / 1_000_000
    }
}

/// Every limit of the mailbox.
package struct MailboxLimits: Sendable {
    /// How long a mail is kept, in seconds.
    package var timeToLive = 30 * 86_400
    /// Bytes of envelopes, and mails, that may wait for one recipient.
    package var recipient = MailQuota(bytes: 64 * 1024 * 1024, items: 10_000)
    /// Of these, under one capability: of one sender.
    package var sender = MailQuota(bytes: 16 * 1024 * 1024, items: 2_000)
    /// Requests of strangers that may wait for one recipient.
    package var requests = 16
    /// Capabilities that one peer may register.
    package var capabilities = 8_192
    /// Bytes of the whole store; beyond, it is as full as if the disk were.
    package var storeBytes = 16 * 1024 * 1024 * 1024
    /// Bytes of the disk that are left free: no mail is stored beyond, so that what was stored can always be carried over from the log, delivered and deleted. More than twice what
    /// the log may have (about 12 MiB).
    package var reserveBytes = 64 * 1024 * 1024
    /// How long a peer may stay away before its capabilities and prekeys are forgotten, in seconds. Far beyond the time for which its prekeys are of use.
    package var absence = 180 * 86_400

    /// MAIL frames of one login.
    package var mails = RateLimit(rate: 500, burst: 2_000)
    /// REQUEST-MAIL frames of one login.
    package var requestsByLogin = RateLimit(rate: 1.0 / 30, burst: 10)
    /// REQUEST-MAIL frames from one IPv4 address or one IPv6 /64.
    package var requestsByAddress = RateLimit(rate: 0.2, burst: 64)
    /// PREKEYS-PUBLISH frames of one login.
    package var publications = RateLimit(rate: 1.0 / 30, burst: 10)
    /// PREKEYS-FETCH frames of one login.
    package var prekeyFetches = RateLimit(rate: 2, burst: 100)
    /// CAPABILITIES frames of one login.
    package var capabilityChanges = RateLimit(rate: 5, burst: 100)

    /// Mails and their bytes that were pushed to a client and not yet acknowledged.
    package var window = MailQuota(bytes: 4 * 1024 * 1024, items: 256)
    /// Requests of one connection, and their bytes, that wait for the store.
    package var outstanding = MailQuota(bytes: 4 * 1024 * 1024, items: 512)
    /// Requests of all connections, and their bytes, that wait for the store.
    package var queue = MailQuota(bytes: 64 * 1024 * 1024, items: 16_384)
    /// How often what is over is looked for, in milliseconds.
    package var tidyMilliseconds: Int64 = 30_000

    package init() {}
}

/// So many, and so many bytes.
package struct MailQuota: Hashable, Sendable {
    package var bytes: Int
    package var items: Int

    package init(bytes: Int, items: Int) {
        self.bytes = bytes
        self.items = items
    }
}

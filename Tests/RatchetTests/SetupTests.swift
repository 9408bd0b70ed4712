import Testing

@testable import Ratchet

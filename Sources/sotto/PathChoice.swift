import ArgumentParser
import Messenger

/// `--path`, as typed.
extension TravelPolicy: ExpressibleByArgument {}

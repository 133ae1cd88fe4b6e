package admintest

// Listen sets where the TLS port listens, as the configuration file would.
func (a *Appliance) Listen(addresses ...string) { a.site.Config.Listen = addresses }

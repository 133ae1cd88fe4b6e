package app

// checked reports whether this appliance knows whether its site answers: by the check,
// or since Baton serves it itself.
func (a *Appliance) checked() bool {
	return !a.settings.Get().SiteCheck.IsZero() || a.config.Site != nil
}

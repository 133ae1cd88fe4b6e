package console

func (c *Console) statusRoutes() []route {
	return []route{get("/status", viewer, c.showStatus)}
}

// statusPage is what the Status page shows besides the status itself.
type statusPage struct{}

func (c *Console) loadStatus(*visit) (any, error) { return statusPage{}, nil }

func (c *Console) showStatus(v *visit) error {
	data, err := c.loadStatus(v)
	if err != nil {
		return err
	}
	return v.page("status", "Status", data)
}

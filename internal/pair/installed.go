package pair

// Installed is what the site's services and data find on a machine. It has to be the same on both
// machines, or the site runs on one of them only.
type Installed struct {
	Services []InstalledService `json:"services"`         // in their order
	Owners   []Owner            `json:"owners,omitempty"` // of the protected directories, and of what lies directly in them

	PortsUnknown string `json:"ports_unknown,omitempty"` // why nobody can say which ports are free here; empty: that is not so
}

// InstalledService is how one service is installed on a machine.
type InstalledService struct {
	Name       string   `json:"name"`
	UnitSum    string   `json:"unit_sum,omitempty"` // SHA-256 of its unit file and what is dropped into it; empty: it has none
	Program    string   `json:"program,omitempty"`  // path of what it starts; empty: not known
	ProgramSum string   `json:"program_sum,omitempty"`
	User       string   `json:"user,omitempty"` // as whom it runs; empty: root
	UserID     string   `json:"user_id,omitempty"`
	Ports      []string `json:"ports,omitempty"`  // that it listens on, as tcp 0.0.0.0:80 or tcp *:80; while it runs
	Unread     []string `json:"unread,omitempty"` // files of the unit and the program whose content could not be read here, each with the reason
	Lacks      string   `json:"lacks,omitempty"`  // why nothing could start it here, in a sentence without its full stop; empty: nothing is known
}

// Owner is a user or a group that owns data on a machine.
type Owner struct {
	ID    uint32 `json:"id"`
	Group bool   `json:"group,omitempty"`
	Name  string `json:"name,omitempty"` // empty: nobody has that number
}

// Kind is user or group.
func (o Owner) Kind() string {
	if o.Group {
		return "group"
	}
	return "user"
}

// Service returns that of a name.
func (i *Installed) Service(name string) (InstalledService, bool) {
	if i != nil {
		for _, one := range i.Services {
			if one.Name == name {
				return one, true
			}
		}
	}
	return InstalledService{}, false
}

package failover

import (
	"net"
	"net/http"
	"strconv"
	"strings"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// defaultTLSPort is where an appliance is reached, unless its file says otherwise.
const defaultTLSPort = "443"

// pairForm is New Backup Site Connection Details, before anything was typed.
func pairForm(status pair.Status) *page.Form {
	host, port, err := net.SplitHostPort(status.Appliance.Address)
	if err != nil {
		host, port = "", defaultTLSPort
	}
	return page.NewForm("pair", map[string]string{"port": defaultTLSPort, "reverse_host": host, "reverse_port": port})
}

// pairRequest reads what was typed.
func pairRequest(f *page.Form) api.PairRequest {
	return api.PairRequest{Address: address(f, "host", "port"), Reverse: address(f, "reverse_host", "reverse_port")}
}

// address joins a host and a port, and refuses what is neither. If somebody pasted a URL
// for the host, its host and port go to their fields.
func address(f *page.Form, hostField, portField string) string {
	port := strings.TrimSpace(f.Get(portField))
	at, err := pair.ParseHostPort(f.Get(hostField))
	named := strconv.Itoa(int(at.Port))
	switch {
	case err != nil:
		f.Refuse(hostField, err.Error())
	case at.Port != 0 && port != "" && port != defaultTLSPort && port != named:
		f.Refuse(hostField, "this names port "+named+", and the field for the port "+port+": write the port once")
	case at.Port != 0:
		port = named
		f.Values.Set(portField, port)
		fallthrough
	default:
		f.Values.Set(hostField, at.Host)
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		f.Refuse(portField, "write a port from 1 to 65535; 443 is the usual one")
	}
	return net.JoinHostPort(at.Host, port)
}

// pairPage asks whether the other appliance's data may be replaced.
type pairPage struct {
	Form    *page.Form
	Preview api.PairPreview
	Again   bool // asked a second time: the other holds newer site data
}

// Fields are the fields whose values the page passes on.
func (pairPage) Fields() []string { return []string{"host", "port", "reverse_host", "reverse_port"} }

// previewPair finds out what Establish Relationship would do, and asks.
func (p management) previewPair(v *page.Visit, f *page.Form) error {
	request := pairRequest(f)
	if !f.Right() {
		return p.pairRefused(v, f)
	}
	preview, err := p.backend.Relationship.PreviewPair(v.Context(), request)
	if err != nil {
		return p.pairFailed(v, f, err)
	}
	f.Values.Set("protect", "true")
	return v.Page("pair", "Establish Relationship", pairPage{Form: f, Preview: preview})
}

// establish establishes the relationship. It asks the other appliance once more. Before
// protected data there is replaced, a user has to confirm that twice, the second time with
// the name of that appliance.
func (p management) establish(v *page.Visit, f *page.Form) error {
	request := pairRequest(f)
	if !f.Right() {
		return p.pairRefused(v, f)
	}
	preview, err := p.backend.Relationship.PreviewPair(v.Context(), request)
	if err != nil {
		return p.pairFailed(v, f, err)
	}
	if request.Replace = preview.NeedReplace; preview.Confirm != "" && strings.TrimSpace(f.Get("confirm")) != preview.Confirm {
		if f.Values.Has("confirm") {
			f.Refuse("confirm", "this is not the name of the other appliance: write "+preview.Confirm)
		}
		return v.Again("pair", "Establish Relationship", pairPage{Form: f, Preview: preview, Again: true})
	}
	if preview.Offer != nil && f.On("protect") {
		if err := p.backend.Data.AddData(v.Context(), *preview.Offer); err != nil {
			return p.pairFailed(v, f, err)
		}
	}
	peer, err := p.backend.Relationship.Pair(v.Context(), request)
	if err != nil {
		return p.pairFailed(v, f, err)
	}
	return v.Done(failoverPath, "The relationship with "+peer.Name+" is established. It is pulling the data of this site now.")
}

// pairFailed shows the form again with the reason.
func (p management) pairFailed(v *page.Visit, f *page.Form, err error) error {
	if !f.Refused(err) {
		return err
	}
	f.AtKey = strings.Contains(f.Problem, "pre-shared key")
	return p.pairRefused(v, f)
}

func (p management) pairRefused(v *page.Visit, f *page.Form) error {
	f.Forget("confirm")
	return p.page().With(v, http.StatusUnprocessableEntity, func(data *failoverPage) { data.Pair = f })
}

// breakPage asks whether the relationship may end.
type breakPage struct{ Form *page.Form }

func (p management) showBreak(v *page.Visit) error {
	if v.Status.Role == pair.Standalone {
		return v.Warn(failoverPath, "There is no relationship to break.")
	}
	return v.Page("break", "Break Relationship", breakPage{Form: page.NewForm("", nil)})
}

func (p management) breakRelationship(v *page.Visit, f *page.Form) error {
	if err := p.backend.Relationship.Unpair(v.Context(), api.UnpairRequest{Force: f.On("force")}); err != nil {
		if pair.CodeOf(err) == pair.Unreachable {
			err = pair.RefuseField("force", "it does not answer, so it would not learn of this: bring it back, or check this and break the relationship there, too")
		}
		if !f.Refused(err) {
			return err
		}
		return v.Again("break", "Break Relationship", breakPage{Form: f})
	}
	return v.Done(failoverPath, "The relationship is broken. This appliance stands alone.")
}

package console

import (
	"net"
	"strconv"
	"strings"

	"baton/internal/api"
	"baton/internal/pair"
)

// defaultTLSPort is where an appliance is reached, unless its file says otherwise.
const defaultTLSPort = "443"

// pairForm is New Backup Site Connection Details, before anything was typed.
func (v *visit) pairForm() *form {
	host, port, err := net.SplitHostPort(v.status.Appliance.Address)
	if err != nil {
		host, port = "", defaultTLSPort
	}
	f := newForm(map[string]string{"port": defaultTLSPort, "reverse_host": host, "reverse_port": port})
	f.ID = "pair"
	return f
}

// pairRequest reads what was typed.
func pairRequest(f *form) api.PairRequest {
	return api.PairRequest{Address: f.address("host", "port"), Reverse: f.address("reverse_host", "reverse_port")}
}

// address joins a host and a port, and refuses what is neither. Whoever pasted a
// URL for the host finds its host and port in their fields.
func (f *form) address(hostField, portField string) string {
	port := strings.TrimSpace(f.get(portField))
	at, err := pair.ParseHostPort(f.get(hostField))
	named := strconv.Itoa(int(at.Port))
	switch {
	case err != nil:
		f.refuse(hostField, err.Error())
	case at.Port != 0 && port != "" && port != defaultTLSPort && port != named:
		f.refuse(hostField, "this names port "+named+", and the field for the port "+port+": write the port once")
	case at.Port != 0:
		port = named
		f.Values.Set(portField, port)
		fallthrough
	default:
		f.Values.Set(hostField, at.Host)
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		f.refuse(portField, "write a port from 1 to 65535; 443 is the usual one")
	}
	return net.JoinHostPort(at.Host, port)
}

// pairPage asks whether the other appliance's data may be replaced.
type pairPage struct {
	Form    *form
	Preview api.PairPreview
	Again   bool // asked a second time: the other holds newer site data
}

// Carried names what was typed so far.
func (pairPage) Carried() []string { return []string{"host", "port", "reverse_host", "reverse_port"} }

// previewPair finds out what Establish Relationship would do, and asks.
func (c *Console) previewPair(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	f.ID = "pair"
	request := pairRequest(f)
	if !f.right() {
		return v.pairRefused(f)
	}
	preview, err := c.backend.Relationship.PreviewPair(v.ctx(), request)
	if err != nil {
		return v.pairFailed(f, err)
	}
	f.Values.Set("protect", "true")
	return v.page("pair", "Establish Relationship", pairPage{Form: f, Preview: preview})
}

// establish does what was asked. What is there is looked at once more: protected
// data that would be replaced has to be confirmed twice, the second time by its
// appliance's name.
func (c *Console) establish(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	f.ID = "pair"
	request := pairRequest(f)
	if !f.right() {
		return v.pairRefused(f)
	}
	preview, err := c.backend.Relationship.PreviewPair(v.ctx(), request)
	if err != nil {
		return v.pairFailed(f, err)
	}
	if request.Replace = preview.NeedReplace; preview.Confirm != "" && strings.TrimSpace(f.get("confirm")) != preview.Confirm {
		if f.Values.Has("confirm") {
			f.refuse("confirm", "this is not the name of the other appliance: write "+preview.Confirm)
		}
		return v.again("pair", "Establish Relationship", pairPage{Form: f, Preview: preview, Again: true})
	}
	if preview.Offer != nil && f.on("protect") {
		if err := c.backend.Data.AddData(v.ctx(), *preview.Offer); err != nil {
			return v.pairFailed(f, err)
		}
	}
	peer, err := c.backend.Relationship.Pair(v.ctx(), request)
	if err != nil {
		return v.pairFailed(f, err)
	}
	return v.done(failoverPath, "The relationship with "+peer.Name+" is established. It is pulling the data of this site now.")
}

// pairFailed shows the form again with what is in the way.
func (v *visit) pairFailed(f *form, err error) error {
	if !f.refused(err) {
		return err
	}
	f.AtKey = strings.Contains(f.Problem, "pre-shared key")
	return v.pairRefused(f)
}

func (v *visit) pairRefused(f *form) error {
	data, err := v.failoverPage()
	if err != nil {
		return err
	}
	f.forget("confirm")
	data.Pair = f
	return v.again("failover", "Failover", data)
}

// breakPage asks whether the relationship may end.
type breakPage struct{ Form *form }

func (c *Console) showBreak(v *visit) error {
	if v.status.Role == pair.Standalone {
		return v.warn(failoverPath, "There is no relationship to break.")
	}
	return v.page("break", "Break Relationship", breakPage{Form: newForm(nil)})
}

func (c *Console) breakRelationship(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	if err := c.backend.Relationship.Unpair(v.ctx(), api.UnpairRequest{Force: f.on("force")}); err != nil {
		if pair.CodeOf(err) == pair.Unreachable {
			err = refuseField("force", "it does not answer, so it would not learn of this: bring it back, or check this and break the relationship there, too")
		}
		if !f.refused(err) {
			return err
		}
		return v.again("break", "Break Relationship", breakPage{Form: f})
	}
	return v.done(failoverPath, "The relationship is broken. This appliance stands alone.")
}

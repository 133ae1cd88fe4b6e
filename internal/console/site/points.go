package site

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/kept"
	"baton/internal/pair"
)

// points are the pages of restore points.
type points struct{ backend Backend }

func (p points) routes() []page.Route {
	return []page.Route{
		page.Get(protectionPath+"/restore-points/{number}", pair.Administrator, p.show),
		page.Post(protectionPath+"/restore-points/{number}", pair.Administrator, p.take),
	}
}

// pointPage is one restore point.
type pointPage struct {
	Point kept.RestorePoint
	Zone  *time.Location
	Form  *page.Form
}

func (p points) read(v *page.Visit) (pointPage, error) {
	number := v.Request.PathValue("number")
	known, err := p.backend.Points.RestorePoints(v.Context())
	if err != nil {
		return pointPage{}, err
	}
	for _, one := range known.Points {
		if strconv.FormatUint(one.Number, 10) == number {
			return pointPage{Point: one, Zone: v.Zone, Form: page.NewForm("", nil)}, nil
		}
	}
	return pointPage{}, pair.Refuse(pair.NotFound, "there is no restore point %q on this appliance: look at the list on the Protection page", number)
}

func (p points) show(v *page.Visit) error {
	data, err := p.read(v)
	if err != nil {
		return err
	}
	return v.Page("point", "Restore point", data)
}

// take downloads what is chosen as a tar archive.
func (p points) take(v *page.Visit) error {
	data, err := p.read(v)
	if err != nil {
		return err
	}
	if data.Form, err = v.Form(""); err != nil {
		return err
	}
	order := api.ChosenOfPoint{Number: data.Point.Number}
	order.Body.Paths = linesOf(data.Form.Get("paths"))
	return v.Download(fmt.Sprintf("baton-restore-point-%d.tar", data.Point.Number), "application/x-tar", func(to io.Writer) error {
		return p.backend.Points.PackPoint(v.Context(), order, to)
	})
}

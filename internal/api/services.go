package api

import (
	"context"
	"strings"
	"time"

	"baton/internal/pair"
	"baton/internal/service"
)

// Services lists what runs on the primary only. It has more than 8 methods, one for each act on a
// service.
type Services interface {
	Services(ctx context.Context) ([]Service, error)
	// AddService starts the service as well, where root allows it.
	AddService(ctx context.Context, service Service) (Said, error)
	// SetServiceCheck replaces the check of a service, and says what root has to do.
	SetServiceCheck(ctx context.Context, change Named[service.CheckText]) (Said, error)
	// RemoveService, StartService and StopService say what comes of it.
	RemoveService(ctx context.Context, name string) (Said, error)
	// StartService has a service run again that StopService has stopped: for as long as nobody
	// starts it, it runs on neither appliance.
	StartService(ctx context.Context, name string) (Said, error)
	StopService(ctx context.Context, name string) (Said, error)
	MoveService(ctx context.Context, place Named[ServicePlace]) error
	// TestServices asks checks once, on this machine.
	TestServices(ctx context.Context, tests ServiceTests) ([]Check, error)
	// ServiceLog is the end of a service's log on this machine, oldest first.
	ServiceLog(ctx context.Context, query ServiceLogQuery) ([]service.Line, error)
	// AllowService and DisallowService say whether it may run on this machine; only for a local caller.
	// AllowService refuses if the service is another one by now than what was shown. It says all that may be run.
	AllowService(ctx context.Context, allowed Named[ServiceAllowance]) (Said, error)
	DisallowService(ctx context.Context, name string) error
}

// ListServices lists what runs on the primary only.
func ListServices() Op[Services, None, []Service] {
	return ask(get("/services", "services", pair.Viewer, "Services that run on the primary only"), Services.Services)
}

// AddService lets a service run on the primary only.
func AddService() Op[Services, Service, Said] {
	return askWith(post("/services", "add-service", pair.Administrator, "Let a service run on the primary only; it is started").within(actWithin), Services.AddService)
}

// RemoveService leaves a service alone from now on.
func RemoveService() Op[Services, string, Said] {
	return askName(del("/services/{name}", "remove-service", pair.Administrator, "Leave the service alone from now on"), Services.RemoveService)
}

// actWithin is for a service to start and to pass its check, or to stop.
const actWithin = 110 * time.Second

// StartService has a service run again.
func StartService() Op[Services, string, Said] {
	return askName(post("/services/{name}/start", "start-service", pair.Operator, "Have the service run again").within(actWithin), Services.StartService)
}

// StopService stops a service until it is started.
func StopService() Op[Services, string, Said] {
	return askName(post("/services/{name}/stop", "stop-service", pair.Operator, "Stop the service on both appliances, until it is started").within(actWithin), Services.StopService)
}

// MoveService changes the order in which services are started.
func MoveService() Op[Services, Named[ServicePlace], None] {
	return orderBy(post("/services/{name}/move", "move-service", pair.Administrator, "Change the order in which services are started"), Services.MoveService)
}

// TestServices asks checks once.
func TestServices() Op[Services, ServiceTests, []Check] {
	return askWith(post("/services/test", "test-services", pair.Operator, "Ask checks once, on this machine; one that is of no service: as an administrator").within(actWithin), Services.TestServices)
}

// GetServiceLog reads the end of a service's log.
func GetServiceLog() Op[Services, ServiceLogQuery, []service.Line] {
	return askBy(get("/services/{name}/log", "service-log", pair.Operator, "The end of the service's log on this machine, oldest first"), Services.ServiceLog)
}

// SetServiceCheck replaces the check of a service.
func SetServiceCheck() Op[Services, Named[service.CheckText], Said] {
	return askBy(put("/services/{name}/check", "set-service-check", pair.Administrator, "Replace the check of the service; what is left out is as usual"), Services.SetServiceCheck)
}

// AllowService lets a service run on the machine.
func AllowService() Op[Services, Named[ServiceAllowance], Said] {
	return askBy(post("/services/{name}/allow", "allow-service", pair.Administrator, "Let the service run on this machine; over the local socket only"), Services.AllowService)
}

// DisallowService lets it run there no longer.
func DisallowService() Op[Services, string, None] {
	return orderName(post("/services/{name}/disallow", "disallow-service", pair.Administrator, "Let it run on this machine no longer; over the local socket only"), Services.DisallowService)
}

func (s *Server) serveServices() {
	serve(s, s.backend.Services, ListServices())
	serve(s, s.backend.Services, AddService())
	serve(s, s.backend.Services, RemoveService())
	serve(s, s.backend.Services, SetServiceCheck())
	serve(s, s.backend.Services, StartService())
	serve(s, s.backend.Services, StopService())
	serve(s, s.backend.Services, MoveService())
	serve(s, s.backend.Services, TestServices())
	serve(s, s.backend.Services, GetServiceLog())
	serve(s, s.backend.Services, AllowService())
	serve(s, s.backend.Services, DisallowService())
}

// Service is one service that runs on the primary only.
type Service struct {
	Name    string   `json:"name" minLength:"1" maxLength:"40" pattern:"^[a-z0-9][a-z0-9-]*$" patternDescription:"lower-case letters, digits and dashes"`
	Kind    string   `json:"kind" enum:"unit,command"`
	Unit    string   `json:"unit,omitempty" maxLength:"256" doc:"Name of the systemd unit"`
	Command []string `json:"command,omitempty" maxItems:"256" doc:"Program, by its whole path, and arguments"`
	User    string   `json:"user,omitempty" maxLength:"64" doc:"As whom the command runs; root if absent"`
	Group   string   `json:"group,omitempty" maxLength:"64"`
	Dir     string   `json:"dir,omitempty" maxLength:"4096" doc:"In which directory the command runs"`
	Env     []string `json:"env,omitempty" maxItems:"256" doc:"NAME=VALUE, for the command"`
	Memory  int64    `json:"memory,omitempty" minimum:"0" doc:"MB that the command may use; it is killed if it uses more"`
	Tasks   int64    `json:"tasks,omitempty" minimum:"0" doc:"Processes and threads that the command may have"`
	Files   int64    `json:"files,omitempty" minimum:"0" doc:"Files that a process of the command may have open"`
	service.CheckText
	Runs    string `json:"runs,omitempty" doc:"All that would be run, in words; in answers, for administrators"`
	Sum     string `json:"sum,omitempty" doc:"Tells apart what would be run; in answers"`
	Allowed bool   `json:"allowed,omitempty" doc:"Root allows it on this machine; in answers"`
	Parked  bool   `json:"parked,omitempty" doc:"An operator has stopped it; in answers"`

	Here  *pair.ServiceStatus `json:"here,omitempty" doc:"How it is on this machine; in answers"`
	There *pair.ServiceStatus `json:"there,omitempty" doc:"How it is on the peer, as that told; in answers"`
}

// ServiceAllowance is what root allows to be run, as it was shown.
type ServiceAllowance struct {
	Sum string `json:"sum" minLength:"1" maxLength:"64" doc:"Sum of the service as it was shown"`
}

// Said is what came of an act, in a sentence or two.
type Said struct {
	Text string `json:"text"`
}

// ServicePlace is a place in the order of the services.
type ServicePlace struct {
	Before string `json:"before,omitempty" maxLength:"40" doc:"The service that is started after it; absent: it is the last"`
}

// ServiceTests are checks to ask.
type ServiceTests struct {
	Of    []string           `json:"of,omitempty" maxItems:"64" doc:"Names of services, and checks as URL, tcp:HOST:PORT or exec:LINE"`
	Check *service.CheckText `json:"check,omitempty" doc:"One more check, with what it wants of the answer"`
}

// ServiceLogQuery asks for the end of a service's log.
type ServiceLogQuery struct {
	Name  string `path:"name" maxLength:"64"`
	Lines int    `query:"lines" minimum:"1" maximum:"1000" default:"50"`
}

// ServiceOf is how a service is shown.
func ServiceOf(s service.Definition) Service {
	c := s.Command
	return Service{
		Name: s.Name, Kind: string(s.Kind()), Unit: string(s.Unit), Command: c.Args, User: c.User, Group: c.Group, Dir: c.Dir, Env: c.Env,
		Memory: c.Limits.Memory, Tasks: c.Limits.Tasks, Files: c.Limits.Files,
		CheckText: service.CheckTextOf(s), Parked: s.Parked,
	}
}

// What is the unit, or the command, in one line.
func (s Service) What() string { return s.Unit + strings.Join(s.Command, " ") }

// Definition reads it, or refuses each field that no appliance could run.
func (s Service) Definition() (service.Definition, error) {
	check, err := s.CheckText.Definition()
	if err != nil {
		return service.Definition{}, err
	}
	switch unit := s.Kind == string(service.UnitKind); {
	case unit && s.Unit == "":
		return service.Definition{}, pair.RefuseField("unit", "a unit is needed: name it like nginx.service")
	case !unit && len(s.Command) == 0:
		return service.Definition{}, pair.RefuseField("command", "a command is needed: write it after --")
	}
	read := service.Definition{
		Name: s.Name, Unit: service.UnitName(s.Unit),
		Command: service.Command{Args: s.Command, User: s.User, Group: s.Group, Dir: s.Dir, Env: s.Env, Limits: service.Limits{Memory: s.Memory, Tasks: s.Tasks, Files: s.Files}},
	}.Checked(check)
	return read, read.Valid()
}

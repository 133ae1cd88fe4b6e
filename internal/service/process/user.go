package process

import (
	"os/user"
	"strconv"

	"baton/internal/service"
)

// usualPath is where a program finds others, as systemd has it.
const usualPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// orderOf is how a command is started, with other arguments; called: what it is called in an error.
func orderOf(c service.Command, args []string, called string) (order, error) {
	to := order{Args: args, Dir: c.Dir, Root: c.User == "" && c.Group == "", Files: uint64(c.Limits.Files)} //nolint:gosec // it is not negative
	if to.Dir == "" {
		to.Dir = "/"
	}
	base := []string{usualPath}
	if c.User != "" {
		who, err := lookUser(c.User)
		if err == nil {
			err = to.as(who)
		}
		if err != nil {
			return to, noUser(called, c.User)
		}
		base = append(base, "HOME="+who.HomeDir, "LOGNAME="+who.Username, "USER="+who.Username)
	}
	if c.Group != "" {
		group, err := lookGroup(c.Group)
		if err == nil {
			to.GID, err = strconv.Atoi(group.Gid)
		}
		if err != nil {
			return to, noUser(called, c.User+":"+c.Group)
		}
		to.Groups = append(to.Groups, to.GID)
	}
	to.Env = environment(base, c.Env)
	return to, nil
}

// as has it run as a user, with all groups of that.
func (o *order) as(who *user.User) (err error) {
	if o.UID, err = strconv.Atoi(who.Uid); err != nil {
		return err
	}
	if o.GID, err = strconv.Atoi(who.Gid); err != nil {
		return err
	}
	groups, err := who.GroupIds()
	for _, text := range groups {
		if number, err := strconv.Atoi(text); err == nil {
			o.Groups = append(o.Groups, number)
		}
	}
	return err
}

// lookUser finds a user by name or by number.
func lookUser(name string) (*user.User, error) {
	if who, err := user.Lookup(name); err == nil {
		return who, nil
	}
	return user.LookupId(name)
}

func lookGroup(name string) (*user.Group, error) {
	if group, err := user.LookupGroup(name); err == nil {
		return group, nil
	}
	return user.LookupGroupId(name)
}

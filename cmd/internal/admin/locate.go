package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// Location is where the daemon of a cluster is found.
type Location struct {
	Cluster   string
	Socket    string
	Instances []string // their names
}

// Locate finds the daemon of the cluster that the configuration file describes.
// It reads nothing else of the file, and no password, so that the status of a
// running daemon can be had by whoever may open the socket, and while the file
// is being edited. The default of the socket is that of config.Load.
func Locate(configFile string) (Location, error) {
	text, err := os.ReadFile(configFile)
	if errors.Is(err, fs.ErrPermission) {
		return Location{}, fmt.Errorf("find the daemon: %w; run this as root or as a user in the group baton, or name its socket with --socket PATH", err)
	}
	if err != nil {
		return Location{}, fmt.Errorf("find the daemon: %w; name its configuration with --config FILE, or its socket with --socket PATH", err)
	}
	var c struct {
		Cluster   string `yaml:"cluster"`
		Instances []struct {
			Name string `yaml:"name"`
		} `yaml:"instances"`
		Admin struct {
			Socket string `yaml:"socket"`
		} `yaml:"admin"`
	}
	err = yaml.Unmarshal(text, &c)
	if _, otherForm := errors.AsType[*yaml.TypeError](err); otherForm {
		return Location{}, fmt.Errorf("find the daemon by %[1]s: cluster, admin.socket or instances don't look there as in a configuration of baton; "+
			"`baton check --config %[1]s` says where, or name the socket with --socket PATH", configFile)
	}
	if err != nil {
		return Location{}, fmt.Errorf("find the daemon by %s: %w; name its socket with --socket PATH", configFile, err)
	}
	l := Location{Cluster: c.Cluster, Socket: c.Admin.Socket}
	for _, i := range c.Instances {
		l.Instances = append(l.Instances, i.Name)
	}
	switch {
	case l.Socket == "" && c.Cluster == "":
		return Location{}, fmt.Errorf("find the daemon by %s: it has neither cluster nor admin.socket; name the socket with --socket PATH", configFile)
	case l.Socket == "":
		l.Socket = "/run/baton/" + c.Cluster + ".sock"
	case !filepath.IsAbs(l.Socket):
		l.Socket, err = filepath.Abs(filepath.Join(filepath.Dir(configFile), l.Socket))
		if err != nil {
			return Location{}, fmt.Errorf("find the daemon by %s: %w", configFile, err)
		}
	}
	return l, nil
}

package testservers

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// mavenJars is the folder that holds what a POM depends on. Maven fetches it once
// for all test processes, into the user's cache folder, where it appears as a whole.
func mavenJars(t testing.TB, name, pom string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(cache, "millrace")
	jars := filepath.Join(root, name)
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(jars+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	for program, pkg := range map[string]string{"java": "default-jre-headless", "mvn": "maven"} {
		if _, err := exec.LookPath(program); err != nil {
			install(t, pkg)
		}
	}
	if _, err := os.Stat(jars); err != nil {
		fetchJars(t, root, jars, pom)
	}
	return jars
}

func fetchJars(t testing.TB, root, jars, pom string) {
	t.Helper()
	tmp, err := os.MkdirTemp(root, "maven-download-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	file := filepath.Join(tmp, "pom.xml")
	if err := os.WriteFile(file, []byte(pom), 0o600); err != nil {
		t.Fatal(err)
	}
	lib := filepath.Join(tmp, "lib")
	mvn := exec.Command("mvn", "-q", "-B", "-f", file, "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies", "-DoutputDirectory="+lib)
	if out, err := mvn.CombinedOutput(); err != nil {
		t.Fatalf("fetch %s with Maven: %v\n%s", filepath.Base(jars), err, out)
	}
	if err := os.Rename(lib, jars); err != nil {
		t.Fatal(err)
	}
}

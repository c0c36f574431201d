package testservers

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// beamVersion is the newest version whose job servers can be had from Maven. The Go SDK may be newer.
const beamVersion = "2.62.0"

const flinkPOM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.github.millrace</groupId><artifactId>flink-test-jobserver</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.beam</groupId><artifactId>beam-runners-flink-1.19</artifactId><version>` + beamVersion + `</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.30</version></dependency>
  </dependencies>
</project>
`

const sparkPOM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.github.millrace</groupId><artifactId>spark-test-jobserver</artifactId><version>1</version><packaging>pom</packaging>
  <properties><spark>3.2.2</spark></properties>
  <dependencies>
    <dependency><groupId>org.apache.beam</groupId><artifactId>beam-runners-spark-3</artifactId><version>` + beamVersion + `</version></dependency>
    <dependency><groupId>org.apache.spark</groupId><artifactId>spark-core_2.12</artifactId><version>${spark}</version></dependency>
    <dependency><groupId>org.apache.spark</groupId><artifactId>spark-sql_2.12</artifactId><version>${spark}</version></dependency>
    <dependency><groupId>org.apache.spark</groupId><artifactId>spark-streaming_2.12</artifactId><version>${spark}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-log4j12</artifactId><version>1.7.30</version></dependency>
  </dependencies>
</project>
`

// opened are the packages of java.base that Flink and Spark reach into.
var opened = []string{
	"java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.time", "java.util", "java.util.concurrent",
	"java.util.concurrent.atomic", "sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar",
}

// StartFlink starts Beam's job server for Flink with a Flink of its own in the
// same process, and returns the job service's host and port. It takes 4 to 10 s; the first
// time, Maven downloads about 190 MB into the user's cache folder. It ends with the test.
func StartFlink(t testing.TB) string {
	t.Helper()
	jars := mavenJars(t, "beam-flink-"+beamVersion, flinkPOM)
	return startJobServer(t, "flink", jars, "org.apache.beam.runners.flink.FlinkJobServerDriver", "--flink-master=[local]")
}

// StartSpark starts Beam's job server for Spark with a Spark of its own in the
// same process, and returns the job service's host and port. It runs bounded jobs only.
func StartSpark(t testing.TB) string {
	t.Helper()
	jars := mavenJars(t, "beam-spark-"+beamVersion, sparkPOM)
	return startJobServer(t, "spark", jars, "org.apache.beam.runners.spark.SparkJobServerDriver", "--spark-master-url=local[2]")
}

// startJobServer runs a job server until it answers. The kernel kills it if this process dies first.
func startJobServer(t testing.TB, name, jars, class string, args ...string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "millrace-"+name+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	port := strconv.Itoa(freePort(t))
	java := []string{"-Xmx1024m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.io.tmpdir=" + dir}
	for _, pkg := range opened {
		java = append(java, "--add-opens=java.base/"+pkg+"=ALL-UNNAMED")
	}
	java = append(java, "-cp", filepath.Join(jars, "*"), class, "--job-host=localhost", "--job-port="+port, "--artifact-port=0", "--expansion-port=0", "--artifacts-dir="+dir)
	cmd := exec.Command("java", append(java, args...)...)
	cmd.Dir = dir
	log := filepath.Join(dir, "log")
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, done := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the death signal follows the thread that started the process
		defer runtime.UnlockOSThread()
		defer close(done)
		defer out.Close()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it is killed, which is an error here
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("start the job server for %s: %v", name, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			if text, err := os.ReadFile(log); err == nil {
				t.Logf("the job server's log ends with:\n%s", text[max(0, len(text)-8000):])
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Logf("stop the job server: %v", err)
		}
		<-done
	})
	addr := "localhost:" + port
	waitFor(t, log, func(ctx context.Context) error {
		d := net.Dialer{Timeout: time.Second}
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return addr
}

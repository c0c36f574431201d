package testservers

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
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

// kafkaVersion is the version of Apache Kafka that tests run against.
const kafkaVersion = "4.1.0"

// kafkaPOM asks Maven for the broker with all that it needs.
const kafkaPOM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.github.millrace</groupId><artifactId>kafka-test-broker</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>` + kafkaVersion + `</version></dependency>
  </dependencies>
</project>
`

// Kafka is a broker of Apache Kafka: one node that is its own controller.
type Kafka struct {
	dir  string
	jars string
	port int
	stop func()
}

// StartKafka starts a broker and waits until it answers, about five seconds. It
// comes from Maven; the first time, that downloads 46 jars (about 60 MB) into the user's cache folder.
func StartKafka(t testing.TB) *Kafka {
	t.Helper()
	dir, err := os.MkdirTemp("", "millrace-kafka-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	k := &Kafka{dir: dir, jars: kafkaJars(t), port: freePort(t)}
	k.configure(t)
	k.start(t)
	t.Cleanup(func() { k.stop() })
	return k
}

// Addr is the broker's host and port, plain text without credentials.
func (k *Kafka) Addr() string { return "127.0.0.1:" + strconv.Itoa(k.port) }

// Restart kills the broker and starts it again over the same data, at the same address.
func (k *Kafka) Restart(t testing.TB) {
	t.Helper()
	k.stop()
	k.start(t)
}

// configure writes the broker's settings and formats its storage.
func (k *Kafka) configure(t testing.TB) {
	t.Helper()
	controller := freePort(t)
	settings := fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:%[2]d
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:%[1]d,CONTROLLER://127.0.0.1:%[2]d
advertised.listeners=PLAINTEXT://127.0.0.1:%[1]d
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=%[3]s
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=200
`, k.port, controller, filepath.Join(k.dir, "data"))
	if err := os.WriteFile(k.settings(), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		t.Fatal(err)
	}
	format := k.java("kafka.tools.StorageTool", "format", "--cluster-id="+base64.RawURLEncoding.EncodeToString(id[:]), "-c", k.settings())
	if out, err := format.CombinedOutput(); err != nil {
		t.Fatalf("format the storage of Kafka: %v\n%s", err, out)
	}
}

func (k *Kafka) settings() string { return filepath.Join(k.dir, "server.properties") }

func (k *Kafka) java(class string, args ...string) *exec.Cmd {
	// The serial collector and one compiler tier: it lives for seconds.
	args = append([]string{"-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", filepath.Join(k.jars, "*"), class}, args...)
	cmd := exec.Command("java", args...)
	cmd.Dir = k.dir
	return cmd
}

// start runs the broker until it answers. The kernel kills it if this process dies first.
func (k *Kafka) start(t testing.TB) {
	t.Helper()
	log := filepath.Join(k.dir, "log")
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cmd := k.java("kafka.Kafka", k.settings())
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
		t.Fatalf("start Kafka: %v", err)
	}
	k.stop = func() {
		select {
		case <-done: // it is gone already
		default:
			if err := cmd.Process.Kill(); err != nil {
				t.Logf("stop Kafka: %v", err)
			}
			<-done
		}
	}
	waitFor(t, log, func(ctx context.Context) error {
		d := net.Dialer{Timeout: time.Second}
		conn, err := d.DialContext(ctx, "tcp", k.Addr())
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// kafkaJars is the folder of the broker's jars, which Maven fetches once for all test processes.
func kafkaJars(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(cache, "millrace")
	jars := filepath.Join(root, "kafka-"+kafkaVersion)
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
		fetchKafka(t, root, jars)
	}
	return jars
}

// fetchKafka downloads the jars into a folder that appears as a whole.
func fetchKafka(t testing.TB, root, jars string) {
	t.Helper()
	tmp, err := os.MkdirTemp(root, "kafka-download-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	pom := filepath.Join(tmp, "pom.xml")
	if err := os.WriteFile(pom, []byte(kafkaPOM), 0o600); err != nil {
		t.Fatal(err)
	}
	lib := filepath.Join(tmp, "lib")
	mvn := exec.Command("mvn", "-q", "-B", "-f", pom, "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies", "-DoutputDirectory="+lib)
	if out, err := mvn.CombinedOutput(); err != nil {
		t.Fatalf("fetch Kafka %s with Maven: %v\n%s", kafkaVersion, err, out)
	}
	if err := os.Rename(lib, jars); err != nil {
		t.Fatal(err)
	}
}

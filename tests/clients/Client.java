// What Java's HttpClient does with a server: prints one line for each step, and ends with 1 at the
// first that fails. HTTP/2 is what it asks for by Upgrade, as it does by default.
import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

public class Client {
  static final HttpClient client =
      HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(20)).build();
  static String server;

  static void check(String what, boolean condition, Object seen) {
    System.out.println(condition ? what : what + ": FAILED: " + seen);
    if (!condition) System.exit(1);
  }

  static HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(URI.create(server + path)).timeout(Duration.ofSeconds(20));
  }

  static HttpResponse<String> ask(HttpRequest.Builder request) throws Exception {
    return client.send(request.build(), BodyHandlers.ofString());
  }

  public static void main(String[] arguments) throws Exception {
    server = arguments[0];
    for (int i = 0; i < 50; ++i) {
      HttpResponse<String> answer = ask(request("/hello"));
      check("get", answer.body().equals("Hello world"), answer);
      check("version", answer.version() == HttpClient.Version.HTTP_1_1, answer.version());
    }
    HttpResponse<String> answer = ask(request("/echo?a=1")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .POST(BodyPublishers.ofString("b=%C3%BC+%26")));
    check("form", answer.body().equals("{\"a\":[\"1\"],\"b\":[\"ü &\"]}"), answer.body());
    answer = ask(request("/hello").POST(BodyPublishers.ofByteArray(new byte[1000000])));
    check("post of 1 MB", answer.body().equals("Got 1000000 bytes in POST"), answer.body());
    answer = ask(request("/streaming").PUT(
        BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(new byte[300000]))));
    check("chunked upload", answer.body().equals("300000"), answer.body());
    answer = ask(request("/streaming").expectContinue(true).PUT(BodyPublishers.ofByteArray(new byte[300000])));
    check("100-continue", answer.body().equals("300000"), answer.body());
    answer = ask(request("/static/audio.wav").header("Range", "bytes=8-11"));
    check("range", answer.statusCode() == 206 && answer.body().equals("WAVE"), answer);
    answer = ask(request("/large").method("HEAD", BodyPublishers.noBody()));
    check("head", answer.headers().firstValueAsLong("Content-Length").getAsLong() == 524288, answer);
    answer = ask(request("/s204"));
    check("no content", answer.statusCode() == 204, answer);
    List<String> events = new ArrayList<>();
    client.send(request("/events").build(), BodyHandlers.ofLines()).body()
        .filter(line -> line.startsWith("data")).forEach(events::add);
    check("events", events.size() == 3, events);
    List<CompletableFuture<HttpResponse<String>>> asked = new ArrayList<>();
    for (int i = 0; i < 200; ++i) {
      asked.add(client.sendAsync(request("/hello").build(), BodyHandlers.ofString()));
    }
    for (CompletableFuture<HttpResponse<String>> one : asked) {
      check("200 at once", one.get().body().equals("Hello world"), one);
    }
  }
}

# Fills ERB templates for the director, which starts this program once and talks to it over stdin and stdout.
#
# A frame is four bytes of length, big endian, and that much JSON. One frame in:
#   {"templates": {key: {"name": …, "source": base64}}, "specs": [JSON text, …], "renders": [[key, spec index], …]}
# One frame {"ready": version} out at the start, then one for each render, in order: {"ok": base64} or {"error": {class, message, line, missing, names}}.
# The words a template may use (p, if_p, link, if_link, spec, name, index, properties) are BOSH's: bosh-director.md 8.4.

# A runaway template fails alone, not the machine.
Process.setrlimit(Process::RLIMIT_AS, [4 * 1024**3, Process.getrlimit(Process::RLIMIT_AS)[1]].min)
Encoding.default_external = Encoding::UTF_8

# The real stdout carries frames only: whatever a template prints must not get between them.
FRAMES = $stdout.dup.binmode
$stdout.reopen(File::NULL)
ORDERS = $stdin.dup.binmode
$stdin.reopen(File::NULL)

require "erb"
require "json"
require "ostruct"
require "yaml"
{ Base64: "base64", CGI: "cgi", Digest: "digest", IPAddr: "ipaddr", OpenSSL: "openssl", SecureRandom: "securerandom",
  Set: "set", Shellwords: "shellwords", URI: "uri", Zlib: "zlib" }.each do |name, library|
  Object.autoload(name, library) unless Object.const_defined?(name)
end

module Bosh
  module Template
    # What a template asked for and nobody gave.
    class Missing < StandardError
      attr_reader :names

      def initialize(names)
        @names = names
        super("Can't find #{kind} '#{names.join("', '")}'")
      end
    end

    class UnknownProperty < Missing
      def kind = "property"
    end

    class UnknownLink < Missing
      def kind = "link"
    end

    # What if_p and if_link give back when their block ran: every .else is skipped.
    class Settled
      def else = nil
      def else_if_p(*) = self
      def else_if_link(*) = self
    end

    # What they give back when it did not run.
    class Unsettled
      def initialize(context) = @context = context
      def else = yield
      def else_if_p(*names, &block) = @context.if_p(*names, &block)
      def else_if_link(name, &block) = @context.if_link(name, &block)
    end

    # p and if_p over a tree of properties; nil counts as absent, false does not.
    module Properties
      def p(names, *default)
        names = Array(names)
        names.each do |name|
          value = find_property(name)
          return value unless value.nil?
        end
        return default[0] unless default.empty?

        raise UnknownProperty.new(names)
      end

      def if_p(*names)
        values = names.map { |name| find_property(name) }
        return Unsettled.new(self) if values.any?(&:nil?)

        yield(*values)
        Settled.new
      end

      private

      def find_property(name)
        name.to_s.split(".").reduce(raw_properties) do |tree, key|
          return nil unless tree.is_a?(Hash)

          tree[key]
        end
      end
    end

    class LinkInstance
      include Properties
      attr_reader :name, :index, :id, :az, :address, :bootstrap, :properties

      def initialize(tree, fallback)
        @name, @index, @id, @az, @address, @bootstrap =
          tree.values_at("name", "index", "id", "az", "address", "bootstrap")
        @properties = tree["properties"] || fallback
      end

      private

      def raw_properties = @properties
    end

    class Link
      include Properties
      FILTERS = { "default" => 0, "healthy" => 3, "unhealthy" => 1, "all" => 4 }.freeze
      attr_reader :instances, :properties

      def initialize(name, tree)
        @name = name
        @tree = tree
        @properties = tree["properties"] || {}
        @instances = (tree["instances"] || []).map { |instance| LinkInstance.new(instance, @properties) }
      end

      # The DNS name that answers with the provider's instances (section 3.9); a manual link has its own address.
      def address(azs: [], status: "default")
        return @tree["address"] if @tree["address"]

        numbers = azs.map { |az| az_number(az) }.sort.map { |number| "a#{number}" }.join
        domain = @tree["domain"] || "bosh"
        "q-#{numbers}s#{FILTERS.fetch(status)}." +
          @tree.values_at("instance_group", "default_network", "deployment_name").push(domain).join(".")
      end

      private

      def raw_properties = @properties

      def az_number(name)
        (@tree["az_numbers"] || {})[name] || raise(ArgumentError, "link '#{@name}' knows no DNS number of az '#{name}'")
      end
    end

    # The self of every template.
    class EvaluationContext
      include Properties
      attr_reader :name, :index

      def initialize(tree)
        @tree = tree
        job = tree["job"]
        @name = job.is_a?(Hash) && job["name"] ? job["name"] : tree["name"]
        @index = tree["index"]
        @links = tree["links"] || {}
      end

      # Built only when asked for: an OpenStruct of a large tree costs more than most templates.
      def spec = @spec ||= openstruct(@tree)
      def properties = @properties ||= openstruct(raw_properties)

      def link(name)
        Link.new(name, @links[name] || raise(UnknownLink.new([name])))
      end

      def if_link(name)
        return Unsettled.new(self) unless @links[name]

        yield link(name)
        Settled.new
      end

      def raw_properties = @tree["properties"] || {}
      def template_binding = binding

      private

      def openstruct(node)
        case node
        when Hash then OpenStruct.new(node.transform_values { |value| openstruct(value) })
        when Array then node.map { |value| openstruct(value) }
        else node
        end
      end
    end
  end
end

module Worker
  module_function

  TEMPLATES = {} # by key, so that a template is compiled once
  TEMPLATES_MAX = 5000

  def learn(templates)
    TEMPLATES.clear if TEMPLATES.size > TEMPLATES_MAX
    templates.each do |key, template|
      TEMPLATES[key] ||= [template["name"], template["source"].unpack1("m0").force_encoding(Encoding::UTF_8), nil]
    end
  end

  def render(key, spec)
    name, source, erb = TEMPLATES.fetch(key)
    unless erb
      erb = ERB.new(source, trim_mode: "-")
      erb.filename = name
      TEMPLATES[key][2] = erb
    end
    context = Bosh::Template::EvaluationContext.new(JSON.parse(spec))
    { "ok" => [erb.result(context.template_binding).to_s].pack("m0") }
  rescue Exception => e # rubocop:disable Lint/RescueException -- a template may raise anything, exit included
    { "error" => explain(name, e) }
  end

  def explain(name, error)
    missing = error.is_a?(Bosh::Template::Missing)
    { "class" => error.class.name.to_s, "message" => words(error).dup.force_encoding(Encoding::UTF_8).scrub,
      "line" => line_of(name, error), "missing" => missing ? error.kind : nil, "names" => missing ? error.names : [] }
  end

  # Ruby shows the receiver in some messages, and a receiver may hold every password of the job.
  def words(error)
    case error
    when NoMethodError then "undefined method '#{error.name}' for #{receiver_of(error)}"
    when NameError then "undefined name '#{error.name}'"
    when FrozenError then "can't modify a frozen #{receiver_of(error)}"
    else error.message.to_s
    end
  end

  def receiver_of(error)
    error.receiver.nil? ? "nil" : error.receiver.class.name.to_s
  rescue ArgumentError
    "an object"
  end

  def line_of(name, error)
    places = error.is_a?(SyntaxError) ? [error.message] + Array(error.backtrace) : Array(error.backtrace)
    places.each do |place|
      found = place.match(/#{Regexp.escape(name)}:(\d+)/)
      return found[1].to_i if found
    end
    nil
  end

  def send_frame(tree)
    text = JSON.generate(tree).b
    FRAMES.write([text.bytesize].pack("N"), text)
    FRAMES.flush
  end

  # Reads beside the rendering, so that a worker whose director is gone ends even inside an endless template.
  def read_orders(queue)
    while (size = ORDERS.read(4))&.bytesize == 4
      queue.push(ORDERS.read(size.unpack1("N")))
    end
    exit!(0)
  end

  def run
    send_frame({ "ready" => RUBY_VERSION })
    $stderr.reopen(File::NULL) # until here it tells the director why Ruby could not start
    queue = Queue.new
    Thread.new { read_orders(queue) }
    loop do
      order = JSON.parse(queue.pop)
      learn(order["templates"])
      order["renders"].each { |key, spec| send_frame(render(key, order["specs"][spec])) }
    end
  end
end

Worker.run
